//! Every code, once: its constant, its title and its explanation. `docs/diagnostics.md` says the same to the
//! reader of the manual; a test compares the two.
//!
//! Here are those of desired state and of its directory, in [`settings`] those of the settings.

use super::Code;

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The code.
    pub code: Code,
    /// A few words, without a full stop.
    pub title: &'static str,
    /// Why the rule is there and what to do, in whole sentences.
    pub explanation: &'static str,
}

/// Returns every rule, in order of its code.
pub fn all() -> Vec<&'static Rule> {
    let mut all: Vec<_> = TABLE.iter().chain(settings::TABLE).collect();
    all.sort_by_key(|rule| rule.code);
    all
}

/// Returns the rule of a code; `None` for a code that does not exist.
pub fn rule(code: Code) -> Option<&'static Rule> {
    TABLE.iter().chain(settings::TABLE).find(|rule| rule.code == code)
}

/// Returns the title of a code; empty for a code that does not exist.
pub fn title(code: Code) -> &'static str {
    rule(code).map_or("", |rule| rule.title)
}

macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal, $explanation:literal;)*) => {
        $(#[doc = concat!($title, ".\n\n", $explanation)] pub const $name: Code = Code($number);)*

        /// Every rule of this file, in order of its code.
        pub const TABLE: &[Rule] =
            &[$(Rule { code: $name, title: $title, explanation: $explanation }),*];
    };
}

pub mod settings;

codes! {
    SYNTAX = 1, "Not YAML",
        "The file cannot be read as YAML from the place shown on, so nothing after it was checked. \
         A name with `: ` or ` #` in it, or one that begins with a sign such as `@`, `%` or a backtick, \
         must be put in quotes. What YAML readers read differently, such as `{?a: enabled}`, is refused too.";
    NOT_UTF8 = 2, "Not UTF-8",
        "Files must be encoded as UTF-8. A byte order mark at the beginning is fine. Save the file as UTF-8.";
    CONTROL_CHARACTER = 3, "Control character",
        "A control character other than a tab or a line break, or a byte order mark in the middle of the \
         file. Nobody can see such a character, and YAML readers disagree about it. Delete it.";
    ANCHOR = 4, "Anchor, alias or merge key",
        "Desired state is plain data: every user is written out, so that a line that changes means one \
         change. Anchors (`&x`), aliases (`*x`) and merge keys (`<<`) are refused.";
    TAG = 5, "Tag",
        "A tag such as `!!str` changes what a value means. Desired state is plain data: remove the tag, and \
         put the value in quotes if it must be a text.";
    SECOND_DOCUMENT = 6, "More than one document",
        "A file holds one YAML document. Move what follows the second `---` to a file of its own.";
    LINE_BREAK = 7, "Odd line break",
        "A lone carriage return, U+0085, U+2028 or U+2029 ends a line for some YAML readers and not for \
         others, so that they would see different users. End lines with LF or CRLF.";
    TOO_DEEP = 8, "Nested too deeply",
        "Nothing in a desired state or in the settings is nested deeper than 8 levels; deeper nesting is a \
         mistake or an attack, and is refused before the file is decoded.";
    BIDIRECTIONAL_OVERRIDE = 9, "Bidirectional override",
        "The characters U+202A to U+202E and U+2066 to U+2069 make a line read in another order than it is \
         written, so that a reviewer sees another user than popgate does. They are refused everywhere in \
         the file, in comments too. Delete them.";
    UNKNOWN_FIELD = 10, "Unknown field",
        "A field that popgate does not know is most likely a mistyped one, and ignoring it could enable \
         the wrong thing. At the top there are `version` and `pop3`; in an entry `access`, `until` and \
         `reason`.";
    FIELD_TWICE = 11, "Field given twice",
        "The same field stands twice, and YAML readers differ in which one they keep. Keep one.";
    ACCESS_WORD = 12, "Not an access word",
        "Access is exactly `enabled` or `disabled`. Words such as `on`, `yes` or `true` mean different \
         things to different YAML readers.";
    WRONG_KIND = 13, "Wrong kind of value",
        "A value has another shape than the one that is expected here, such as a list where a text belongs.";
    NO_ACCESS = 14, "Access is missing",
        "An entry must say `enabled` or `disabled`: as its value, or in its field `access`.";
    UNTIL_DATE = 15, "Not a date",
        "`until` is the last day of access, a day of the calendar written as YYYY-MM-DD.";
    UNTIL_DISABLED = 16, "`until` with `disabled`",
        "`until` is the last day of access, so it means nothing for a user who has none. Remove it, or write \
         `access: enabled`.";
    REASON_TEXT = 17, "`reason` is not a text",
        "YAML reads the value as a number, a truth value or nothing, and its exact text is lost: `1.10` \
         would become `1.1`. Put it in quotes.";
    REASON_LENGTH = 18, "`reason` is too long",
        "A reason has at most 1,000 characters. Refer to a ticket for the rest.";
    REASON_CHARACTERS = 19, "Control character in `reason`",
        "A reason is one line of visible text, because it is shown in plans and reports.";
    LISTED_TWICE = 20, "User listed twice",
        "Each user is listed once in all files together, even if the entries agree: the next change to one \
         of them would contradict the other. Names are compared after Unicode normalisation (NFC) and case \
         folding.";
    NAME_EMPTY = 21, "Name is empty",
        "An entry needs the name of a user.";
    NAME_LENGTH = 22, "Name is too long",
        "A name has at most 320 characters, as an e-mail address does.";
    NAME_CHARACTERS = 23, "Invisible character in a name",
        "A name with a control character or one that nobody can see is another name than the one it looks \
         like. Type the name again.";
    NAME_SPACE = 24, "White space at the end of a name",
        "A name with white space of any kind at its beginning or its end is another name than the one it \
         looks like. Remove the white space.";
    KEY_KIND = 25, "Key is not a name",
        "What stands before the colon must be a plain name, not a list or a map.";
    EMPTY_FILE = 30, "Empty file",
        "The file holds nothing, or only comments. An empty file is more likely to be an accident than a \
         wish to list nobody. Write `pop3: {}` to list nobody, or delete the file.";
    NO_POP3 = 31, "`pop3` is missing",
        "The users are listed below the field `pop3`.";
    POP3_VALUE = 32, "`pop3` has no users",
        "`pop3` must hold a map from names to access. Nothing at all after `pop3:` is more likely to be an \
         accident than a wish to list nobody; write `pop3: {}` for that.";
    VERSION = 33, "Unknown version",
        "This popgate reads version 1 of the format. A newer version may mean something that this popgate \
         does not understand.";
    TOP_KIND = 34, "Not a map",
        "A file is a map with the field `pop3`, and optionally `version`.";
    EDIT_WHERE = 40, "No file to write to",
        "popgate cannot tell which file a new user belongs to. Name the file with `--file`.";
    EDIT_ELSEWHERE = 41, "User is listed in another file",
        "The user already has an entry, in another file than the one named with `--file`. An entry is changed \
         where it stands.";
    EDIT_SHAPE = 42, "Cannot be edited in place",
        "The entry, or for `fmt` the file, is written in a way that cannot be changed without touching what is \
         not part of it, such as comments inside braces. Edit it by hand.";
    NO_DIRECTORY = 200, "Directory does not exist",
        "The directory of the desired state does not exist. A wrong path must not look like an empty list.";
    NO_FILE = 201, "No YAML file",
        "The directory has no file that ends in `.yaml` or `.yml`. To list nobody, write a file with \
         `pop3: {}`.";
    LINK_OUT = 202, "Symlink leaves the directory",
        "A symlink points out of the desired directory, so that something else than the reviewed directory \
         would decide who has POP3. Copy the file into the directory.";
    FILE_SIZE = 203, "Too large",
        "A file has at most 64 MiB, all files of the directory together at most 512 MiB. There are at most \
         100,000 files and 20,000 directories, nested at most 64 deep. Split a large file; much more than that \
         is most likely the wrong directory.";
    UNREADABLE = 204, "Cannot be read",
        "The operating system refuses to read a file or a directory, or a symlink leads to nothing, or what has \
         the name of a YAML file is none: a named pipe, a socket, a device. Nothing of the directory is applied \
         as long as a part of it is unknown.";
    FILE_NAME = 205, "File name cannot be shown",
        "The name of a file or a directory is not UTF-8, or has a control character or an invisible one in it, \
         so that it could pretend to be another name. Rename it.";
    LINK_LOOP = 206, "Symlink leads back",
        "A symlink leads back to a directory that it lies in, or to itself, so that the files would never end. \
         Delete it.";
    GIT_FETCH = 210, "Repository cannot be fetched",
        "The repository that the settings name cannot be reached, does not let popgate in, or does not come in time. \
         The last good state stays in force until it can be fetched again.";
    GIT_REF = 211, "No such branch or tag",
        "The repository does not have the branch or tag that the settings name; it may have been deleted. The last \
         good state stays in force.";
    GIT_SIGNATURE = 212, "Commit is not signed by an allowed signer",
        "The settings ask for a signature by SSH key of somebody in the file of allowed signers, and the newest \
         commit has none, another one, or one that cannot be verified. The last good state stays in force.";
    PROTECTED_ENTRY = 250, "Entry is ignored or protected",
        "The settings of the target say that this account is ignored or protected, so an entry for it would \
         never be carried out. Remove the entry, or change the settings.";
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = include_str!("../../docs/diagnostics.md");

    /// One section of the manual: the text between a heading and the next one, its lines joined.
    fn sections() -> Vec<(String, String)> {
        MANUAL
            .split("\n## ")
            .skip(1)
            .map(|section| {
                let (heading, body) = section.split_once('\n').unwrap();
                (heading.to_owned(), body.split_whitespace().collect::<Vec<_>>().join(" "))
            })
            .collect()
    }

    #[test]
    fn the_manual_has_every_code_and_no_other() {
        let wanted: Vec<_> = all()
            .into_iter()
            .map(|rule| (format!("{}: {}", rule.code, rule.title), rule.explanation.to_owned()))
            .collect();
        let have = sections();
        for (wanted, have) in wanted.iter().zip(&have) {
            assert_eq!(wanted, have);
        }
        assert_eq!(wanted.len(), have.len());
    }

    #[test]
    fn no_code_is_given_twice_and_each_stands_in_its_range() {
        assert!(all().windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(settings::TABLE.iter().all(|rule| (100..200).contains(&rule.code.0)));
        assert!(TABLE.iter().all(|rule| !(100..200).contains(&rule.code.0)));
        assert_eq!(title(LISTED_TWICE), "User listed twice");
        assert_eq!(title(settings::UNKNOWN_FIELD), "An unknown field");
        assert_eq!(rule(Code(999)), None);
    }

    #[test]
    fn a_title_is_a_few_words_and_an_explanation_whole_sentences() {
        for rule in all() {
            assert!(!rule.title.ends_with('.'), "{}", rule.code);
            assert!(rule.explanation.ends_with('.'), "{}", rule.code);
        }
    }
}
