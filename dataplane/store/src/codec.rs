//! Bytes of keys and values.
//!
//! Keys are order-preserving: big-endian numbers, inverted for descending order, and text ended by two zero bytes with
//! inner zeros escaped, so that a shorter name sorts before its extensions. Values are a version byte and plain fields.

use crate::kv::KvError;

/// Builds keys and values.
#[derive(Default, Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One byte.
    #[must_use]
    pub fn u8(mut self, value: u8) -> Self {
        self.bytes.push(value);
        self
    }

    /// Four bytes, big endian.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Eight bytes, big endian.
    #[must_use]
    pub fn u64(mut self, value: u64) -> Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Sixteen bytes, big endian.
    #[must_use]
    pub fn u128(mut self, value: u128) -> Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Eight bytes that sort descending.
    #[must_use]
    pub fn descending(self, value: u64) -> Self {
        self.u64(!value)
    }

    /// Text that keeps its order and its end inside a key.
    #[must_use]
    pub fn key_text(mut self, text: &str) -> Self {
        for byte in text.bytes() {
            self.bytes.push(byte);
            if byte == 0 {
                self.bytes.push(0xFF);
            }
        }
        self.bytes.extend_from_slice(&[0, 0]);
        self
    }

    /// A number in one to ten bytes, seven bits each.
    #[must_use]
    pub fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.bytes.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }

    /// Bytes with their length.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let mut this = self.varint(bytes.len() as u64);
        this.bytes.extend_from_slice(bytes);
        this
    }

    /// Bytes without their length, at the end.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }
}

/// Takes keys and values apart. Every read is checked; damage is an error, never a panic.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads a record of the named kind.
    #[must_use]
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    fn damaged(&self, reason: &str) -> KvError {
        KvError::damaged(self.what, reason)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], KvError> {
        if self.rest.len() < count {
            return Err(self.damaged("it is cut short"));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], KvError> {
        Ok(self.take(N)?.try_into().expect("exactly N bytes were taken"))
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, KvError> {
        Ok(self.array::<1>()?[0])
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, KvError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, KvError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Sixteen bytes.
    pub fn u128(&mut self) -> Result<u128, KvError> {
        Ok(u128::from_be_bytes(self.array()?))
    }

    /// Eight bytes that sort descending.
    pub fn descending(&mut self) -> Result<u64, KvError> {
        Ok(!self.u64()?)
    }

    /// Text of a key.
    pub fn key_text(&mut self) -> Result<String, KvError> {
        let mut bytes = Vec::new();
        loop {
            let byte = self.u8()?;
            if byte != 0 {
                bytes.push(byte);
                continue;
            }
            match self.u8()? {
                0 => break,
                0xFF => bytes.push(0),
                _ => return Err(self.damaged("a zero byte stands alone in a name")),
            }
        }
        String::from_utf8(bytes).map_err(|_| self.damaged("a name is not UTF-8"))
    }

    /// A number in one to ten bytes.
    pub fn varint(&mut self) -> Result<u64, KvError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged("a number is too long"))
    }

    /// A length or count that has to fit into what is left.
    pub fn length(&mut self) -> Result<usize, KvError> {
        let length = self.varint()?;
        usize::try_from(length)
            .ok()
            .filter(|&length| length <= self.rest.len())
            .ok_or_else(|| self.damaged("a length points beyond its end"))
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Result<&'a [u8], KvError> {
        let length = self.length()?;
        self.take(length)
    }

    /// Text with its length.
    pub fn text(&mut self) -> Result<&'a str, KvError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged("text is not UTF-8"))
    }

    /// What is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Whether all was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// A version byte that has to be the one given.
    pub fn version(&mut self, expected: u8) -> Result<(), KvError> {
        let version = self.u8()?;
        if version == expected {
            Ok(())
        } else {
            Err(self.damaged(&format!("format {version} is not known; {expected} is")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_in_keys_keep_their_order_and_come_back(a in ".{0,8}", b in ".{0,8}", tail in any::<u64>()) {
            let key = |text: &str| Writer::new().key_text(text).u64(tail).finish();
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.as_bytes().cmp(b.as_bytes()));
            let bytes = key(&a);
            let mut reader = Reader::new("test", &bytes);
            prop_assert_eq!(reader.key_text().unwrap(), a);
            prop_assert_eq!(reader.u64().unwrap(), tail);
        }

        #[test]
        fn numbers_come_back(a in any::<u64>(), b in any::<u64>()) {
            let bytes = Writer::new().varint(a).descending(b).varint(b).finish();
            let mut reader = Reader::new("test", &bytes);
            prop_assert_eq!(reader.varint().unwrap(), a);
            prop_assert_eq!(reader.descending().unwrap(), b);
            prop_assert_eq!(reader.varint().unwrap(), b);
            prop_assert!(reader.is_empty());
            prop_assert_eq!(Writer::new().descending(a).finish() < Writer::new().descending(b).finish(), a > b);
        }

        #[test]
        fn damage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new("test", &bytes);
            while reader.bytes().is_ok() && !reader.is_empty() {}
            let mut reader = Reader::new("test", &bytes);
            drop(reader.key_text());
            drop(reader.varint());
        }
    }
}
