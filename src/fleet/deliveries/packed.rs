//! A record as the bytes of an object: as it is, or packed where it is too large for that.
//!
//! The entries of an image on many nodes are nearly the same text. Packed, a record takes a
//! tenth of its length or less. A small one stays readable for people.

use std::borrow::Cow;
use std::io::{self, Read};

/// Packed records begin with this, the magic number of zstd; JSON does not.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The longest text of a record: that of 100 000 deliveries. Somebody without the key may
/// have packed a longer one, to fill the memory.
const LONGEST: u64 = 64 << 20;

/// The quick level: higher ones save little.
const LEVEL: i32 = 3;

/// The text in at most so many bytes; `None` where that is not possible.
pub(super) fn packed(text: Vec<u8>, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let length = text.len() as u64;
    if length <= limit {
        return Ok(Some(text));
    }
    if length > LONGEST {
        return Ok(None);
    }
    let packed = zstd::encode_all(&text[..], LEVEL)?;
    Ok((packed.len() as u64 <= limit).then_some(packed))
}

/// The text in these bytes.
pub(super) fn unpacked(bytes: &[u8]) -> io::Result<Cow<'_, [u8]>> {
    if !bytes.starts_with(&MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut text = Vec::new();
    let unpacked = zstd::Decoder::with_buffer(bytes)?;
    unpacked.take(LONGEST + 1).read_to_end(&mut text)?;
    match text.len() as u64 > LONGEST {
        true => Err(io::Error::other("it is too long")),
        false => Ok(Cow::Owned(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_packed_where_it_has_to_be_and_comes_back() {
        let text = b"{\"nodes\":{}} ".repeat(1000);
        let plain = packed(text.clone(), text.len() as u64).unwrap().unwrap();
        assert_eq!(plain, text);
        let small = packed(text.clone(), 1000).unwrap().unwrap();
        assert!(small.len() <= 1000);
        assert_eq!(unpacked(&plain).unwrap(), text);
        assert_eq!(unpacked(&small).unwrap(), text);
        assert_eq!(packed(text, 10).unwrap(), None);
        unpacked(&small[..small.len() - 1]).unwrap_err();
        unpacked(&MAGIC).unwrap_err();
    }

    #[test]
    fn a_text_without_end_is_refused() {
        let zeros = io::repeat(b' ').take(LONGEST + 1);
        let bomb = zstd::encode_all(io::BufReader::new(zeros), LEVEL).unwrap();
        assert!(bomb.len() < 1 << 20);
        let refused = unpacked(&bomb).unwrap_err();
        assert_eq!(refused.to_string(), "it is too long");
    }
}
