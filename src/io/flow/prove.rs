//! Looks at the unpacked form of a download that is wanted packed: whether it is all
//! there shows nowhere else. Nothing of it is kept.

use crate::io::codec::{Chunk, Decoded};
use crate::io::flow::gate::Gate;
use crate::io::flow::landing::LandingError;
use crate::io::image::container::{Fault, Window};

/// Takes everything that a decoder gives.
///
/// # Errors
/// If the data do not decode, are something else than the gate lets in, or are not
/// the whole of it.
pub fn prove(mut gate: Gate, decoded: Decoded) -> Result<(), LandingError> {
    let mut window = Window::default();
    for chunk in decoded {
        match chunk {
            Ok(Chunk::Data(bytes)) => {
                gate.take(&bytes)?;
                window.update(&bytes);
            }
            Ok(Chunk::Zeros(count)) => {
                gate.zeros(count)?;
                window.zeros(count);
            }
            Err(source) => {
                return Err(LandingError::Decode {
                    name: gate.name().to_owned(),
                    source,
                });
            }
        }
    }
    gate.finish()?;
    match gate.check(&window) {
        // Not kept, and no disk of the factory's has anything of interest there.
        Err(LandingError::NotWhole {
            source: Fault::Unreadable(_),
            ..
        }) => Ok(()),
        checked => checked,
    }
}
