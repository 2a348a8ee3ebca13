//! Fragments (MS-PSRP 2.2.4): messages cut to what one envelope can carry, and put together again.

/// Bytes before the blob of a fragment: two numbers of eight bytes, flags, a length of four.
const HEADER: usize = 21;

const START: u8 = 1;
const END: u8 = 2;

/// The largest message that is put together. A mailbox or an error record has some ten kibibytes.
pub const MOST_MESSAGE: usize = 8 * 1024 * 1024;

/// Why bytes are no fragments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// A message beyond all measure.
    #[error("a message is larger than {MOST_MESSAGE} bytes")]
    Large,
    /// A fragment that does not belong where it stands.
    #[error("fragment {fragment} of object {object} does not follow what came before")]
    Order {
        /// The object's number.
        object: u64,
        /// The fragment's number.
        fragment: u64,
    },
}

/// Packs messages into packets of a limited size, each whole fragments only.
#[derive(Debug)]
pub(super) struct Packer {
    limit: usize,
    objects: u64,
    full: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Packer {
    /// A packer that has numbered this many objects already; the numbers count through a whole session.
    pub(super) fn new(limit: usize, objects: u64) -> Self {
        Self { limit: limit.max(HEADER + 1), objects, full: Vec::new(), open: Vec::new() }
    }

    /// Adds a message.
    pub(super) fn push(&mut self, message: &[u8]) {
        self.objects += 1;
        let mut rest = message;
        for fragment in 0u64.. {
            // A header with next to nothing behind it is not worth its bytes.
            if self.open.len() + HEADER + 64.min(rest.len()) > self.limit && !self.open.is_empty() {
                self.full.push(std::mem::take(&mut self.open));
            }
            let room = (self.limit - self.open.len()).saturating_sub(HEADER).max(1);
            let (blob, after) = rest.split_at(room.min(rest.len()));
            rest = after;
            let flags = if fragment == 0 { START } else { 0 } | if rest.is_empty() { END } else { 0 };
            self.open.extend(self.objects.to_be_bytes());
            self.open.extend(fragment.to_be_bytes());
            self.open.push(flags);
            self.open.extend(u32::try_from(blob.len()).unwrap_or(u32::MAX).to_be_bytes());
            self.open.extend(blob);
            if rest.is_empty() {
                return;
            }
        }
    }

    /// Returns the packets that are full.
    pub(super) fn full(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.full)
    }

    /// Returns all packets, and how many objects were numbered.
    pub(super) fn finish(mut self) -> (Vec<Vec<u8>>, u64) {
        if !self.open.is_empty() {
            self.full.push(self.open);
        }
        (self.full, self.objects)
    }
}

/// Puts the fragments of one stream together. A sender sends the fragments of one object in a row.
#[derive(Debug, Default)]
pub struct Joiner {
    /// Bytes that are not a whole fragment yet.
    waiting: Vec<u8>,
    /// The message in work: object, next fragment, what is there of it.
    open: Option<(u64, u64, Vec<u8>)>,
}

impl Joiner {
    /// Takes bytes, and hands each message that they complete to `each`.
    ///
    /// # Errors
    /// [`FragmentError`] when they are no fragments; nothing sensible can follow then.
    pub fn push<E: From<FragmentError>>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.waiting.extend(bytes);
        let mut at = 0;
        while let Some(header) = Header::read(&self.waiting[at..]) {
            if header.length > MOST_MESSAGE {
                return Err(FragmentError::Large.into());
            }
            let Some(blob) = self.waiting[at + HEADER..].get(..header.length) else { break };
            let message = take(&mut self.open, header, blob)?;
            at += HEADER + header.length;
            if let Some(message) = message {
                each(message)?;
            }
        }
        self.waiting.drain(..at);
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Header {
    object: u64,
    fragment: u64,
    flags: u8,
    length: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (object, rest) = bytes.split_first_chunk()?;
        let (fragment, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first()?;
        let (length, _) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        Some(Self {
            object: u64::from_be_bytes(*object),
            fragment: u64::from_be_bytes(*fragment),
            flags: *flags,
            length,
        })
    }
}

fn take(
    open: &mut Option<(u64, u64, Vec<u8>)>,
    header: Header,
    blob: &[u8],
) -> Result<Option<Vec<u8>>, FragmentError> {
    let Header { object, fragment, flags, .. } = header;
    let disorder = FragmentError::Order { object, fragment };
    let mut message = match open.take() {
        None if flags & START != 0 && fragment == 0 => Vec::new(),
        Some((same, next, message)) if same == object && next == fragment && flags & START == 0 => message,
        _ => return Err(disorder),
    };
    if message.len() + blob.len() > MOST_MESSAGE {
        return Err(FragmentError::Large);
    }
    message.extend(blob);
    if flags & END != 0 {
        return Ok(Some(message));
    }
    let next = fragment.checked_add(1).ok_or(disorder)?;
    *open = Some((object, next, message));
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join(bytes: &[u8]) -> Result<Vec<Vec<u8>>, FragmentError> {
        let mut all = Vec::new();
        Joiner::default().push(bytes, |message| {
            all.push(message);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn a_fragment_is_written_as_the_protocol_says() {
        let mut packer = Packer::new(100, 0);
        packer.push(b"ab");
        let (packets, objects) = packer.finish();
        let expected = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\x03\0\0\0\x02ab";
        assert_eq!((packets.as_slice(), objects), (&[expected.to_vec()][..], 1));
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        let header = |object: u64, fragment: u64, flags: u8| {
            [&object.to_be_bytes()[..], &fragment.to_be_bytes()[..], &[flags, 0, 0, 0, 1, b'x'][..]].concat()
        };
        let order = |object, fragment| Err(FragmentError::Order { object, fragment });
        assert_eq!(join(&header(1, 0, 0)), order(1, 0));
        assert_eq!(join(&header(1, 1, START)), order(1, 1));
        assert_eq!(join(&[header(1, 0, START), header(2, 1, END)].concat()), order(2, 1));
        assert_eq!(join(&[header(1, 0, START), header(1, 2, END)].concat()), order(1, 2));
        assert_eq!(join(&[header(1, 0, START), header(1, 1, START | END)].concat()), order(1, 1));
        assert_eq!(
            join(b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\x03\xff\xff\xff\xff"),
            Err(FragmentError::Large)
        );
    }

    #[test]
    fn a_message_without_end_is_given_up() {
        let mut joiner = Joiner::default();
        let blob = vec![b'x'; 1024 * 1024];
        let mut last = Ok(());
        for fragment in 0u64..20 {
            let flags = u8::from(fragment == 0);
            let header =
                [&1u64.to_be_bytes()[..], &fragment.to_be_bytes()[..], &[flags, 0, 0x10, 0, 0][..]].concat();
            last = joiner.push::<FragmentError>(&[&header[..], &blob[..]].concat(), |_| Ok(()));
            if last.is_err() {
                break;
            }
        }
        assert_eq!(last, Err(FragmentError::Large));
    }

    proptest! {
        #[test]
        fn messages_come_back_however_they_are_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            limit in 22usize..400,
            cut in 1usize..500,
        ) {
            let mut packer = Packer::new(limit, 0);
            for message in &messages {
                packer.push(message);
            }
            let (packets, _) = packer.finish();
            prop_assert!(packets.iter().all(|packet| packet.len() <= limit));
            let (mut joiner, mut all) = (Joiner::default(), Vec::new());
            for piece in packets.concat().chunks(cut) {
                joiner.push::<FragmentError>(piece, |message| { all.push(message); Ok(()) }).unwrap();
            }
            prop_assert_eq!(all, messages);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(join(&bytes));
        }
    }
}
