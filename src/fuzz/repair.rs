//! Makes the checksums of .xz data right, which by chance they never are: what is
//! behind them would not be reached. Numbers refer to "The .xz File Format" 1.2.1.

/// The data with the checksums of all headers, of the index and of the footer made
/// right, up to where it is no .xz data any more; the rest stays as it is.
pub(super) fn xz(packed: &[u8]) -> Vec<u8> {
    let mut bytes = packed.to_vec();
    let mut at = 0;
    while let Some(end) = stream(&mut bytes, at) {
        let zeros = bytes[end..].iter().take_while(|&&byte| byte == 0).count();
        at = end + zeros;
    }
    bytes
}

/// One stream; where it ends (2.1).
fn stream(bytes: &mut [u8], start: usize) -> Option<usize> {
    let header = bytes.get_mut(start..start + 12)?;
    header[..6].copy_from_slice(b"\xfd7zXZ\0");
    let check = match header[7] & 15 {
        0 => 0,
        kind => 4_usize << ((kind - 1) / 3),
    };
    let flags = [header[6], header[7]];
    sum(header, 6..8, 8);
    let mut at = start + 12;
    let mut has_sizes = false;
    while let length @ 1.. = usize::from(*bytes.get(at)?) {
        let header = bytes.get_mut(at..at + (length + 1) * 4)?;
        // The decoder refuses a block without its size behind one that has it.
        let has_size = header[1] & 0x40 != 0;
        if has_sizes && !has_size {
            return None;
        }
        has_sizes |= at == start + 12 && has_size;
        let end = header.len() - 4;
        sum(header, 0..end, end);
        let data = at + end + 4;
        let end = data + chunks(bytes.get(data..)?)?;
        at += (end - at).next_multiple_of(4) + check;
    }
    let index = index(bytes.get(at..)?)?;
    sum(bytes.get_mut(at..at + index + 4)?, 0..index, index);
    at += index + 4;
    let footer = bytes.get_mut(at..at + 12)?;
    footer[4..8].copy_from_slice(&(index as u32 / 4).to_le_bytes());
    footer[8..10].copy_from_slice(&flags);
    footer[10..].copy_from_slice(b"YZ");
    sum(footer, 4..10, 0);
    Some(at + 12)
}

/// Writes the checksum of a part of something to where it belongs.
fn sum(bytes: &mut [u8], part: std::ops::Range<usize>, to: usize) {
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[part]);
    bytes[to..to + 4].copy_from_slice(&crc.sum().to_le_bytes());
}

/// How long the LZMA2 data at the start are.
fn chunks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = |from: usize| {
            let bytes = bytes.get(at + from..at + from + 2)?;
            Some(usize::from(bytes[0]) << 8 | usize::from(bytes[1]))
        };
        at += match *bytes.get(at)? {
            0 => return Some(at + 1),
            1 | 2 => 3 + length(1)? + 1,
            0x80..0xc0 => 5 + length(3)? + 1,
            0xc0.. => 6 + length(3)? + 1,
            _ => return None,
        };
    }
}

/// How long the index at the start is, without its checksum (4).
fn index(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    let mut number = || {
        let length = 1 + bytes.get(at..)?.iter().position(|&byte| byte < 0x80)?;
        let digits = &bytes[at..at + length.min(9)];
        at += length;
        Some(
            digits
                .iter()
                .rev()
                .fold(0, |n, &byte| n << 7 | u64::from(byte & 0x7f)),
        )
    };
    let count = number()?;
    for _ in 0..count {
        number()?;
        number()?;
    }
    Some(at.next_multiple_of(4))
}
