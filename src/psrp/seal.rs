//! The shape of a sealed message (MS-WSMV 2.2.9.1): a MIME of its own kind around a token and its header.

/// The type of a sealed body.
pub(super) const CONTENT_TYPE: &str = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";\
                                       boundary=\"Encrypted Boundary\"";

const BOUNDARY: &[u8] = b"Encrypted Boundary";

/// A sealed message: what it was long, the header of the token, and the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed<'a> {
    pub(super) length: usize,
    pub(super) header: &'a [u8],
    pub(super) data: &'a [u8],
}

/// Tells whether a body of this type is sealed.
pub(super) fn is_sealed(content_type: &str) -> bool {
    content_type.get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/encrypted"))
}

/// Writes the body.
pub(super) fn write(sealed: Sealed<'_>) -> Vec<u8> {
    let head = format!(
        "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
         \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={}\r\n\
         --Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n",
        sealed.length
    );
    let mut body = Vec::with_capacity(head.len() + sealed.header.len() + sealed.data.len() + 64);
    body.extend(head.as_bytes());
    body.extend(u32::try_from(sealed.header.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend(sealed.header);
    body.extend(sealed.data);
    body.extend(b"--Encrypted Boundary--\r\n");
    body
}

/// Reads a body of one part. Exchange writes a space after the dashes of each boundary. `None` when it is none.
pub(super) fn read(body: &[u8]) -> Option<Sealed<'_>> {
    let (lines, rest) = split(boundary(body)?, b"\r\n--")?;
    let (_, length) = std::str::from_utf8(lines).ok()?.rsplit_once("Length=")?;
    let length = length.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    let (_, part) = split(name(rest)?, b"\r\n")?;
    let (size, payload) = part.split_first_chunk()?;
    let (header, payload) = payload.split_at_checked(usize::try_from(u32::from_le_bytes(*size)).ok()?)?;
    let payload = payload.strip_suffix(b"\r\n").unwrap_or(payload);
    let payload = payload.strip_suffix(b"--")?.strip_suffix(BOUNDARY)?;
    let data = payload.strip_suffix(b"-- ").or_else(|| payload.strip_suffix(b"--"))?;
    Some(Sealed { length, header, data })
}

/// Passes a boundary and the end of its line.
fn boundary(body: &[u8]) -> Option<&[u8]> {
    name(body.strip_prefix(b"--")?)
}

/// Passes a boundary whose dashes are passed already.
fn name(body: &[u8]) -> Option<&[u8]> {
    body.strip_prefix(b" ").unwrap_or(body).strip_prefix(BOUNDARY)?.strip_prefix(b"\r\n")
}

fn split<'a>(body: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = body.windows(at.len()).position(|window| window == at)?;
    Some((&body[..found], &body[found + at.len()..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_boundary_of_exchange_is_read_like_that_of_the_standard() {
        let sealed = Sealed { length: 5, header: b"head", data: b"da--ta -- " };
        let standard = write(sealed);
        assert_eq!(read(&standard), Some(sealed));
        let spaced =
            String::from_utf8(standard).unwrap().replace("--Encrypted Boundary", "-- Encrypted Boundary");
        assert_eq!(read(spaced.as_bytes()), Some(sealed));
        assert_eq!(read(spaced.trim_end().as_bytes()), Some(sealed));
    }

    #[test]
    fn half_a_body_is_none() {
        let body = write(Sealed { length: 5, header: b"head", data: b"data" });
        for end in 0..body.len() - 2 {
            assert_eq!(read(&body[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn every_message_comes_back(
            header in prop::collection::vec(any::<u8>(), 0..80),
            data in prop::collection::vec(any::<u8>(), 0..80),
            length in 0usize..1_000_000,
        ) {
            let sealed = Sealed { length, header: &header, data: &data };
            let body = write(sealed);
            prop_assert_eq!(read(&body), Some(sealed));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..300, at in 0usize..200) {
            let _ = read(&bytes);
            let mut body = write(Sealed { length: 1, header: &bytes, data: &bytes });
            if let Some(byte) = body.get_mut(at) {
                *byte ^= 1;
            }
            let _ = read(&body[..cut.min(body.len())]);
        }
    }
}
