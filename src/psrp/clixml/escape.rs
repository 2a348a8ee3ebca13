//! `_xHHHH_`: how CLIXML writes the UTF-16 units that XML cannot hold or would change (MS-PSRP 2.2.5.3.2).

use std::fmt::Write as _;

/// Writes text for CLIXML: first the units that need it as `_xHHHH_`, then what XML needs.
pub(super) fn escape(text: &str, into: &mut String) {
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '&' => into.push_str("&amp;"),
            '"' => into.push_str("&quot;"),
            // Otherwise the reader would take it for the beginning of an escape.
            '_' if matches!(rest.peek(), Some('x' | 'X')) => into.push_str("_x005F_"),
            '\u{0}'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}' | '\u{10000}'.. => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(into, "_x{unit:04X}_");
                }
            }
            other => into.push(other),
        }
    }
}

/// Reads text of CLIXML: `_xHHHH_` is one UTF-16 unit, two may be one character. What is no such unit stays.
pub(super) fn unescape(text: &str) -> String {
    if !text.contains('_') {
        return text.to_owned();
    }
    let mut whole = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.find('_') {
        let (before, from) = rest.split_at(next);
        if !before.is_empty() {
            flush(&mut units, &mut whole);
            whole.push_str(before);
        }
        if let Some(unit) = unit(from) {
            units.push(unit);
            rest = &from[7..];
        } else {
            flush(&mut units, &mut whole);
            whole.push('_');
            rest = &from[1..];
        }
    }
    flush(&mut units, &mut whole);
    whole.push_str(rest);
    whole
}

fn unit(text: &str) -> Option<u16> {
    let bytes = text.as_bytes().get(..7)?;
    let hex = matches!(bytes[1], b'x' | b'X') && bytes[6] == b'_';
    let digits = std::str::from_utf8(bytes.get(2..6)?).ok().filter(|digits| {
        // `from_str_radix` would take a sign.
        hex && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })?;
    u16::from_str_radix(digits, 16).ok()
}

fn flush(units: &mut Vec<u16>, whole: &mut String) {
    if !units.is_empty() {
        whole.extend(
            char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)),
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut into = String::new();
        escape(text, &mut into);
        into
    }

    #[test]
    fn surrogates_controls_and_what_looks_like_an_escape_are_escaped() {
        assert_eq!(escaped("a\n😀_x000A_<&>"), "a_x000A__xD83D__xDE00__x005F_x000A_&lt;&amp;&gt;");
        assert_eq!(unescape("a_x000A__xd83d__xde00__x005F_x000A_"), "a\n😀_x000A_");
    }

    #[test]
    fn what_is_no_escape_stays_and_half_a_character_is_replaced() {
        for text in ["_", "_x", "_x12", "_x12G4_", "_x+123_", "__x__", "_x0041", "snow_man", "_é_x00"] {
            assert_eq!(unescape(text), text);
        }
        assert_eq!(unescape("_xD83D_!"), "\u{FFFD}!");
        assert_eq!(unescape("__x0041_"), "_A");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let xml = format!("<S>{}</S>", escaped(&text));
            let mut walk = crate::psrp::xml::Walk::new(&xml);
            assert!(matches!(walk.step().unwrap(), crate::psrp::xml::Step::Start(_)));
            prop_assert_eq!(unescape(&walk.text().unwrap()), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[_xX0-9A-Fa-f\u{e9}\u{1F600}]{0,40}") {
            drop(unescape(&text));
        }
    }
}
