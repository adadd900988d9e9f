//! The container of .xz: stream header, block header, index and footer, read and
//! (for handing single blocks to liblzma) written. After "The .xz File Format",
//! version 1.2.1; section numbers below refer to it.

use flate2::Crc;
use sha2::Digest;

use crate::io::codec::error::{DecodeError, XZ};

/// Length of a stream's header, in bytes (2.1.1).
pub(super) const STREAM_HEADER: usize = 12;
/// Length of a stream's footer, in bytes (2.1.2).
pub(super) const FOOTER: usize = 12;
pub(super) const MAGIC: &[u8; 6] = b"\xfd7zXZ\0";
const FOOTER_MAGIC: &[u8; 2] = b"YZ";

/// What is wrong, before anyone said where.
#[derive(Debug)]
pub(super) enum Wrong {
    Corrupt(String),
    Unsupported(String),
    /// The error of another part, which already says where, or need not.
    Other(DecodeError),
}

impl Wrong {
    pub(super) fn corrupt(what: &str) -> Self {
        Self::Corrupt(what.to_owned())
    }

    pub(super) fn at(self, at: u64) -> DecodeError {
        match self {
            Self::Corrupt(what) => DecodeError::Corrupt {
                codec: XZ,
                at,
                what,
            },
            Self::Unsupported(what) => DecodeError::Unsupported { codec: XZ, what },
            Self::Other(error) => error,
        }
    }
}

/// How the unpacked bytes of a block are checked (2.1.1.2). Other kinds are
/// reserved; liblzma would skip them silently, so they are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckKind {
    None = 0,
    Crc32 = 1,
    Crc64 = 4,
    Sha256 = 10,
}

impl CheckKind {
    /// Length of the check behind a block, in bytes.
    pub(super) const fn len(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Crc32 => 4,
            Self::Crc64 => 8,
            Self::Sha256 => 32,
        }
    }

    fn read(flags: [u8; 2]) -> Result<Self, Wrong> {
        match flags {
            [0, 0] => Ok(Self::None),
            [0, 1] => Ok(Self::Crc32),
            [0, 4] => Ok(Self::Crc64),
            [0, 10] => Ok(Self::Sha256),
            [high, low] => Err(Wrong::Unsupported(format!(
                "stream flags {high:#04x} {low:#04x}"
            ))),
        }
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn le32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

pub(super) fn read_stream_header(bytes: &[u8]) -> Result<CheckKind, Wrong> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(Wrong::corrupt(
            "a stream does not start with the magic number",
        ));
    };
    let [a, b, crc @ ..] = rest else {
        return Err(Wrong::corrupt("a stream's header is too short"));
    };
    if le32(crc) != Some(crc32(&[*a, *b])) {
        return Err(Wrong::corrupt("the checksum of a stream's header"));
    }
    CheckKind::read([*a, *b])
}

pub(super) fn write_stream_header(check: CheckKind) -> Vec<u8> {
    let flags = [0, check as u8];
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&flags);
    header.extend_from_slice(&crc32(&flags).to_le_bytes());
    header
}

/// Reads the footer of a stream and compares it with what came before it.
pub(super) fn read_footer(bytes: &[u8], check: CheckKind, index_size: u64) -> Result<(), Wrong> {
    let expected = write_footer(check, index_size);
    if bytes == expected {
        Ok(())
    } else {
        Err(Wrong::corrupt("a stream's footer does not fit its stream"))
    }
}

fn write_footer(check: CheckKind, index_size: u64) -> Vec<u8> {
    // Stored in units of four bytes, less one (2.1.2.2). An index over 16 GiB
    // cannot be expressed, and will then not compare equal.
    let backward = (index_size / 4).wrapping_sub(1) as u32;
    let mut body = backward.to_le_bytes().to_vec();
    body.extend_from_slice(&[0, check as u8]);
    let mut footer = crc32(&body).to_le_bytes().to_vec();
    footer.append(&mut body);
    footer.extend_from_slice(FOOTER_MAGIC);
    footer
}

/// Length of a block's header from its first byte; `None` is the index (3.1.1).
pub(super) fn block_header_len(first: u8) -> Option<usize> {
    (first != 0).then(|| (usize::from(first) + 1) * 4)
}

/// What the header of a block says about sizes (3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    /// Length of the header itself, in bytes.
    pub len: u64,
    /// Length of the packed data, without padding, where it is stated.
    pub packed: Option<u64>,
    /// Length of the unpacked data, where it is stated.
    pub unpacked: Option<u64>,
}

impl BlockHeader {
    /// Reads a complete header. The filters are left to liblzma.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Wrong> {
        let (fields, crc) = bytes
            .split_last_chunk::<4>()
            .ok_or_else(|| Wrong::corrupt("a block's header is too short"))?;
        if u32::from_le_bytes(*crc) != crc32(fields) {
            return Err(Wrong::corrupt("the checksum of a block's header"));
        }
        let flags = fields.get(1).copied().unwrap_or(0);
        let mut rest = fields.get(2..).unwrap_or(&[]);
        let mut size = |stated: bool| -> Result<Option<u64>, Wrong> {
            if !stated {
                return Ok(None);
            }
            let mut number = Vli::default();
            while let Some((&byte, tail)) = rest.split_first() {
                rest = tail;
                if let Some(value) = number.push(byte)? {
                    return Ok(Some(value));
                }
            }
            Err(Wrong::corrupt("a size in a block's header"))
        };
        let packed = size(flags & 0x40 != 0)?;
        let unpacked = size(flags & 0x80 != 0)?;
        if packed == Some(0) {
            return Err(Wrong::corrupt("a block's header states an empty block"));
        }
        Ok(Self {
            len: bytes.len() as u64,
            packed,
            unpacked,
        })
    }

    /// Zero bytes between the packed data and the check (3.3).
    pub(super) fn padding(&self) -> u64 {
        padding(self.len + self.packed.unwrap_or(0))
    }

    /// Length of the whole block, header and check included, where it is stated.
    pub(super) fn whole_len(&self, check: CheckKind) -> Option<u64> {
        let data = self.len.checked_add(self.packed?)?;
        data.checked_add(padding(data))?.checked_add(check.len())
    }
}

/// How many bytes are missing to a multiple of four.
pub(super) fn padding(length: u64) -> u64 {
    length.wrapping_neg() % 4
}

/// A number of variable length: seven bits a byte, least significant first, at
/// most nine bytes (1.2).
#[derive(Debug, Default)]
struct Vli {
    value: u64,
    bytes: u32,
}

impl Vli {
    fn push(&mut self, byte: u8) -> Result<Option<u64>, Wrong> {
        self.value |= u64::from(byte & 0x7f) << (7 * self.bytes);
        self.bytes += 1;
        match byte {
            0 if self.bytes > 1 => Err(Wrong::corrupt("a number has a superfluous byte")),
            0x80.. if self.bytes == 9 => Err(Wrong::corrupt("a number is too large")),
            0x80.. => Ok(None),
            _ => Ok(Some(std::mem::take(self).value)),
        }
    }

    fn write(mut value: u64, to: &mut Vec<u8>) {
        while value >= 0x80 {
            to.push(value as u8 | 0x80);
            value >>= 7;
        }
        to.push(value as u8);
    }
}

/// The sizes of a sequence of blocks, as a digest: blocks as they came and the
/// index that lists them are compared without keeping either.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    count: u64,
    sizes: sha2::Sha256,
}

impl Records {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn add(&mut self, unpadded: u64, unpacked: u64) -> Result<(), Wrong> {
        self.count = self
            .count
            .checked_add(1)
            .ok_or_else(|| Wrong::corrupt("too many blocks"))?;
        self.sizes.update(unpadded.to_le_bytes());
        self.sizes.update(unpacked.to_le_bytes());
        Ok(())
    }
}

/// Reads the index of a stream (4), however it is cut.
#[derive(Debug, Default)]
pub(super) struct IndexReader {
    part: IndexPart,
    number: Vli,
    expected: u64,
    found: Records,
    size: u64,
    crc: Crc,
    stored_crc: u32,
}

#[derive(Debug, Default, Clone, Copy)]
enum IndexPart {
    #[default]
    Indicator,
    Count,
    Unpadded,
    Unpacked {
        unpadded: u64,
    },
    Padding,
    Crc {
        bytes: u32,
    },
}

impl IndexReader {
    /// Takes bytes up to the end of the index; its whole length when that is
    /// reached and everything agrees with the blocks.
    pub(super) fn push(
        &mut self,
        bytes: &mut &[u8],
        blocks: &Records,
    ) -> Result<Option<u64>, Wrong> {
        while let Some((&byte, rest)) = bytes.split_first() {
            *bytes = rest;
            self.take(byte)?;
            if let IndexPart::Crc { bytes: 4 } = self.part {
                return self.finish(blocks).map(Some);
            }
        }
        Ok(None)
    }

    fn take(&mut self, byte: u8) -> Result<(), Wrong> {
        self.size += 1;
        if let IndexPart::Crc { bytes } = &mut self.part {
            self.stored_crc |= u32::from(byte) << (8 * *bytes);
            *bytes += 1;
            return Ok(());
        }
        self.crc.update(&[byte]);
        self.part = match self.part {
            IndexPart::Indicator => IndexPart::Count,
            IndexPart::Padding if byte != 0 => {
                return Err(Wrong::corrupt("an index is padded with something else"));
            }
            IndexPart::Padding | IndexPart::Crc { .. } => self.part,
            number_part => match self.number.push(byte)? {
                None => number_part,
                Some(value) => self.number_read(number_part, value)?,
            },
        };
        if matches!(self.part, IndexPart::Padding) && self.size.is_multiple_of(4) {
            self.part = IndexPart::Crc { bytes: 0 };
        }
        Ok(())
    }

    fn number_read(&mut self, part: IndexPart, value: u64) -> Result<IndexPart, Wrong> {
        match part {
            IndexPart::Unpadded => return Ok(IndexPart::Unpacked { unpadded: value }),
            IndexPart::Unpacked { unpadded } => self.found.add(unpadded, value)?,
            _ => self.expected = value,
        }
        Ok(if self.found.count == self.expected {
            IndexPart::Padding
        } else {
            IndexPart::Unpadded
        })
    }

    fn finish(&self, blocks: &Records) -> Result<u64, Wrong> {
        if self.stored_crc != self.crc.sum() {
            return Err(Wrong::corrupt("the checksum of a stream's index"));
        }
        let same = self.found.count == blocks.count
            && self.found.sizes.clone().finalize() == blocks.sizes.clone().finalize();
        if same {
            Ok(self.size)
        } else {
            Err(Wrong::corrupt("a stream's index does not list its blocks"))
        }
    }
}

/// Index and footer of a stream with a single block, to end what liblzma is given.
pub(super) fn write_single_tail(check: CheckKind, unpadded: u64, unpacked: u64) -> Vec<u8> {
    let mut tail = vec![0];
    for number in [1, unpadded, unpacked] {
        Vli::write(number, &mut tail);
    }
    tail.resize(tail.len().next_multiple_of(4), 0);
    tail.extend_from_slice(&crc32(&tail).to_le_bytes());
    let footer = write_footer(check, tail.len() as u64);
    tail.extend(footer);
    tail
}
