//! Looks at the unpacked form of a download that is wanted packed: whether it is all
//! there shows nowhere else. Nothing of it is kept.

use crate::io::codec::{Chunk, Decoded};
use crate::io::flow::content::ContentCheck;
use crate::io::flow::error::StagingError;
use crate::io::image::container::{ImageFault, Window};

/// Takes everything that a decoder gives.
///
/// # Errors
/// If the data do not decode, are something else than `content` accepts, or are not
/// the whole of it.
pub(super) fn prove(mut content: ContentCheck, decoded: Decoded) -> Result<(), StagingError> {
    let mut window = Window::default();
    for chunk in decoded {
        match chunk {
            Ok(Chunk::Data(bytes)) => {
                content.take(&bytes)?;
                window.update(&bytes);
            }
            Ok(Chunk::Zeros(count)) => {
                content.zeros(count)?;
                window.zeros(count);
            }
            Err(source) => {
                return Err(StagingError::Decode {
                    name: content.name().to_owned(),
                    source,
                });
            }
        }
    }
    content.finish()?;
    match content.check(&window) {
        // Not kept, and no disk of the factory's has anything of interest there.
        Err(StagingError::NotWhole {
            source: ImageFault::Unreadable(_),
            ..
        }) => Ok(()),
        checked => checked,
    }
}
