//! Bytes to text: byte order marks, the encoding declaration, UTF-16.
//!
//! XML 1.0 appendix F. Line ends are left to the parser.

use std::borrow::Cow;

/// Decodes a document. Error: the reason, with the byte offset where it is known.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let (encoding, skip) = match bytes {
        [0xEF, 0xBB, 0xBF, ..] => (encoding_rs::UTF_8, 3),
        [0xFE, 0xFF, ..] => (encoding_rs::UTF_16BE, 2),
        [0xFF, 0xFE, ..] => (encoding_rs::UTF_16LE, 2),
        [0x00, 0x3C, 0x00, 0x3F, ..] => (encoding_rs::UTF_16BE, 0),
        [0x3C, 0x00, 0x3F, 0x00, ..] => (encoding_rs::UTF_16LE, 0),
        _ => match declared(bytes) {
            Some(label) => {
                let known = encoding_rs::Encoding::for_label(label.as_bytes());
                let encoding = known.ok_or_else(|| format!("encoding {label:?} is not known"))?;
                // A document that could be read this far in bytes is not in UTF-16, whatever it says.
                if encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE {
                    return Err(format!("the document declares {label} but is not in it"));
                }
                (encoding, 0)
            }
            None => (encoding_rs::UTF_8, 0),
        },
    };
    let rest = &bytes[skip..];
    if encoding == encoding_rs::UTF_8 {
        return match std::str::from_utf8(rest) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => Err(format!("byte {} is not UTF-8", skip + error.valid_up_to())),
        };
    }
    let decoded = encoding.decode_without_bom_handling_and_without_replacement(rest);
    decoded.ok_or_else(|| format!("the document is not in {}", encoding.name()))
}

/// Decodes a text resource: by its byte order mark, or the encoding that is stated, or UTF-8 (F&O 3.1 §14.8.5).
///
/// Errors: FOUT1190 when the encoding is not known or the bytes are not in it, FOUT1200 when nothing says which it is.
pub fn decode_text(bytes: &[u8], encoding: Option<&str>) -> crate::error::Result<String> {
    let marked = encoding_rs::Encoding::for_bom(bytes);
    let is_guess = marked.is_none() && encoding.is_none();
    let (encoding, skip) = match (marked, encoding) {
        (Some(marked), _) => marked,
        (None, None) if bytes.starts_with(b"<?xml") => {
            let text = decode(bytes).map_err(|reason| crate::error::fail("FOUT1190", reason))?;
            return Ok(text.into_owned());
        }
        (None, None) => (encoding_rs::UTF_8, 0),
        (None, Some(label)) => {
            let known = encoding_rs::Encoding::for_label(label.trim().as_bytes());
            let unknown = || crate::error::fail("FOUT1190", format!("encoding {label:?} is not known"));
            (known.ok_or_else(unknown)?, 0)
        }
    };
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[skip..]);
    let code = if is_guess { "FOUT1200" } else { "FOUT1190" };
    let wrong = || crate::error::fail(code, format!("the text is not in {}", encoding.name()));
    Ok(text.ok_or_else(wrong)?.into_owned())
}

/// The label in `<?xml … encoding="…"?>`, read as ASCII.
fn declared(bytes: &[u8]) -> Option<String> {
    let head = bytes.strip_prefix(b"<?xml")?;
    let end = memchr::memmem::find(&head[..head.len().min(1024)], b"?>")?;
    let head = std::str::from_utf8(&head[..end]).ok()?;
    let value = head.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(value[1..].split_once(quote)?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_found_by_mark_and_by_declaration() {
        let utf16: Vec<u8> = "<?xml version='1.0'?><ä/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked: Vec<u8> = [&[0xFE, 0xFF], &utf16[..]].concat();
        for bytes in [&utf16[..], &marked] {
            assert_eq!(decode(bytes).unwrap(), "<?xml version='1.0'?><ä/>");
        }
        assert_eq!(decode(b"<?xml version='1.0' encoding='ISO-8859-1'?>\xe4").unwrap().chars().last(), Some('ä'));
        assert_eq!(decode(b"\xEF\xBB\xBF<a/>").unwrap(), "<a/>");
        for bad in [&b"<a>\xff</a>"[..], b"<?xml version='1.0' encoding='klingon'?>", b"<?xml encoding='UTF-16'?>"] {
            assert!(decode(bad).is_err());
        }
    }
}
