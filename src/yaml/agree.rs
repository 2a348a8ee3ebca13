//! Do two parsers see the same data? In braces they do not always: to one, `{?a: b}` has the key `a`, to the
//! other `?a`.

use saphyr_parser::Event;

use super::decode::Raw;
use super::locate::{Walk, position};

/// Compares what was decoded with what saphyr sees, and returns the line and column of the first difference.
pub(super) fn difference(raw: &Raw<'_>, text: &str) -> Option<(u32, u32)> {
    let mut walk = Walk::new(text);
    let mut comparison = Comparison { walk: &mut walk, at: (1, 1) };
    match comparison.value(raw) {
        Ok(()) => None,
        Err(Differs) => Some(comparison.at),
    }
}

struct Differs;

struct Comparison<'w, 't> {
    walk: &'w mut Walk<'t>,
    /// Where the event that was looked at last begins.
    at: (u32, u32),
}

impl<'t> Comparison<'_, 't> {
    fn value(&mut self, raw: &Raw<'_>) -> Result<(), Differs> {
        match (raw, self.event()?) {
            (Raw::Map(pairs), Some(Event::MappingStart(..))) => {
                for (key, value) in pairs {
                    match self.event()? {
                        Some(Event::Scalar(text, ..)) if text == key.text => self.value(value)?,
                        _ => return Err(Differs),
                    }
                }
                self.event()?.filter(|event| *event == Event::MappingEnd).map(drop).ok_or(Differs)
            }
            (Raw::List, Some(Event::SequenceStart(..))) => {
                let depth = self.walk.depth();
                // What is in a list is not kept, so there is nothing to compare.
                loop {
                    let event = self.event()?.ok_or(Differs)?;
                    if event == Event::SequenceEnd && self.walk.depth() == depth {
                        return Ok(());
                    }
                }
            }
            (Raw::Text(ours), Some(Event::Scalar(theirs, ..))) if *ours == theirs => Ok(()),
            // How a number was written is not known any more. An empty text has no event.
            (Raw::Null | Raw::Bool(_) | Raw::Number(_), Some(Event::Scalar(..))) | (Raw::Null, None) => {
                Ok(())
            }
            _ => Err(Differs),
        }
    }

    /// Returns the next event that is data; `None` at the end.
    fn event(&mut self) -> Result<Option<Event<'t>>, Differs> {
        loop {
            let Some(next) = self.walk.next() else { return Ok(None) };
            let (event, span) = next.map_err(|_| Differs)?;
            self.at = position(span.start);
            let is_data = !matches!(
                event,
                Event::StreamStart
                    | Event::DocumentStart(_)
                    | Event::DocumentEnd
                    | Event::StreamEnd
                    | Event::Nothing
            );
            if is_data {
                return Ok(Some(event));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{decode, gate};
    use crate::diagnostic::codes;

    #[test]
    fn a_key_that_two_parsers_read_differently_is_refused() {
        for text in ["pop3: {x: disabled, ?a: enabled}\n", "{?a: b}\n"] {
            assert!(gate("a.yaml", text.as_bytes()).is_ok());
            let problems = decode("a.yaml", text).unwrap_err();
            assert_eq!(problems[0].code, codes::SYNTAX, "{problems:?}");
            assert_eq!(problems[0].order().2 as usize, text.find('?').unwrap() + 1);
        }
        for text in [
            "{a: [1, [b], {c: d}], e: ~, f: true, g: , \"h\\\"\": 'i''j'}\n",
            "{}\n",
            "[]\n",
            "- a\n- b: c\n",
        ] {
            assert!(decode("a.yaml", text).is_ok(), "{text}");
        }
    }
}
