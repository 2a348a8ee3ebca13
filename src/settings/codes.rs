//! The codes of everything that can be wrong with settings, POP100 to POP199. A code never changes its meaning.

use crate::diagnostic::Code;

/// One documented code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why it is refused and what to do, for the documentation.
    pub explanation: &'static str,
}

macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal, $explanation:literal;)*) => {
        $(#[doc = concat!("POP", stringify!($number), ": ", $title, ".")] pub const $name: Code = Code($number);)*

        /// Every code of settings, in order.
        pub const TABLE: &[Entry] =
            &[$(Entry { code: $name, title: $title, explanation: $explanation },)*];
    };
}

codes! {
    UNREADABLE = 100, "the settings file cannot be read",
        "The file is missing, is no file, or popgate's user may not read it. Without `--config`, `popgate.yaml` in \
         the current directory is read if it is there.";
    NOT_TEXT = 101, "the settings file is not UTF-8 text",
        "YAML is text. Save the file as UTF-8.";
    TOO_LONG = 102, "the settings file is too long",
        "Settings have at most 256 KiB. Users belong into the desired directory, not here.";
    NOT_YAML = 103, "not YAML",
        "The file cannot be read from this place on. The mistake is often a little earlier: a missing quote, bracket \
         or colon, or a line that is indented differently from its neighbours.";
    NOT_PLAIN = 104, "an anchor, alias, tag or merge key",
        "Settings are plain data, so that every reader of the file sees the same: write the value itself.";
    SECOND_DOCUMENT = 105, "a second YAML document",
        "A file holds one document. Remove the line `---` and what belongs to another file.";
    TOO_DEEP = 106, "maps and lists nested too deeply",
        "Nothing in the settings is nested deeper than eight levels.";
    ODD_CHARACTER = 107, "a character that readers treat differently",
        "Control characters, unusual line breaks and characters that turn the direction of writing make a file look \
         different from what it says. Remove them, or write them as an escape in double quotes.";
    NOT_A_MAP = 108, "the settings are empty or no map",
        "The file holds fields, each with its value. An empty file is more often an accident than an intention: \
         remove the file to use the defaults.";
    READERS_DISAGREE = 109, "two YAML readers do not agree on the file",
        "popgate reads settings with two readers and goes on only if both see the same. Write the place more simply: \
         in block style, with quotes around text.";
    UNKNOWN_FIELD = 110, "an unknown field",
        "A misspelt field would silently have no effect, so it is an error. The help names the field that was \
         probably meant, or all that may stand there.";
    DOUBLED_FIELD = 111, "a field written twice",
        "Readers of YAML disagree on which of two equal fields counts. Keep one.";
    MISSING_FIELD = 112, "a required field is missing",
        "The help says what to write.";
    WRONG_TYPE = 113, "a value of the wrong kind",
        "For example a text where a list belongs. Text that YAML would read as a number, as `true` or as nothing \
         needs quotes.";
    WRONG_WORD = 114, "not one of the allowed words",
        "The field takes only the words that the help names, in lower case.";
    BAD_DURATION = 115, "not a duration",
        "Durations have units, largest first: `500ms`, `30s`, `15m`, `1h`, `1h30m`. At most 366 days (8784h).";
    OUT_OF_RANGE = 116, "a number or duration out of range",
        "For example more than 100 per cent, or zero where zero makes no sense.";
    BAD_TEXT = 117, "a text that cannot be used here",
        "Empty, too long, or with a character that may not occur.";
    BAD_VERSION = 118, "an unknown version of the settings",
        "This popgate reads version 1. Settings of a later version need a later popgate.";
    UNKNOWN_TIME_ZONE = 120, "an unknown time zone",
        "Time zones are written as in the IANA database: `Asia/Taipei`, `Europe/Berlin`, `UTC`.";
    BAD_HOURS = 121, "hours that cannot be a window",
        "Hours are written as `22:00-02:00`, in 24 hours. A window that ends before it begins ends on the next day; \
         `00:00-24:00` is a whole day.";
    NEVER_OPEN = 122, "windows that never open",
        "The windows forbid everything they speak of at all times. A warning: nothing of the kind will ever be done \
         by itself.";
    LATE_BEFORE_EARLY = 123, "a longest wait that is shorter than the shortest",
        "For example `max_delay` below `min_interval`: a restart could be overdue before it may happen.";
    BAD_TARGET_NAME = 125, "a name that cannot be a target's",
        "Target names stand in commands and file names: letters, digits, `-`, `_` and `.`, at most 64, beginning with \
         a letter or digit.";
    NO_TARGET = 126, "no target",
        "Settings with `targets` name at least one. Without the field, the target `default` is used.";
    STATE_AND_DESIRED = 130, "the state directory and a desired directory within each other",
        "popgate watches the desired directory and writes to the state directory: it would wake itself up for ever, \
         and whoever may edit the desired state could edit the journal.";
    SHARED_STORE = 131, "two targets with the same store",
        "They would undo each other's changes. It is allowed only if both say `unlisted: keep`.";
    SETTINGS_IN_DESIRED = 133, "the settings file lies in a desired directory",
        "Guards are meant to hold against mistakes in the desired state, so they should not be editable with it; \
         and the file would be read as desired state. A warning.";
    NOT_BUILT_IN = 140, "a type that is not built into this version",
        "The word is right, but this popgate cannot do it.";
    BAD_IDENTIFIER = 142, "a name that cannot be a table's or column's",
        "Letters, digits and `_`, at most 64, not beginning with a digit. Other names need a view in the database.";
    FOREIGN_TABLE = 143, "`missing: create` for a table that is not popgate's",
        "popgate knows the columns only of its own table. Leave `table` out to use it, or create accounts in the way \
         your mail system does.";
    SAME_VALUE = 144, "the same value for enabled and disabled",
        "popgate could not tell the two apart.";
    DOUBLED_COLUMN = 145, "a column with two meanings",
        "A column that holds the access cannot at the same time name the account.";
    NOT_A_LIST = 151, "a command written as one text",
        "No shell reads the command, so its words are written as a list.";
    EMPTY_COMMAND = 152, "an empty command",
        "A command is a list of at least one word, its program.";
    BAD_MANUAL = 153, "a manual service of something that is never restarted by popgate",
        "`of` names the service that a person restarts: `command`, `systemd` or `dovecot`.";
    INLINE_SECRET = 160, "a secret written into the settings",
        "Settings are copied, shown and committed. Write where the secret is to be found, and change it: it was \
         readable here.";
    BAD_SECRET = 161, "not a way to a secret",
        "Exactly one of `{env: NAME}`, `{file: PATH}` and `{command: [PROGRAM, ARGUMENT]}`.";
    BAD_GIT = 170, "a git address, reference or path that cannot be used",
        "Passwords do not belong into an address, addresses that run commands are refused, and the path stays within \
         the repository.";
    BAD_ADDRESS = 171, "not an address to listen on",
        "An IP address and a port: `127.0.0.1:9477` or `[::1]:9477`.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_in_the_range_of_settings() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(TABLE.iter().all(|entry| (100..200).contains(&entry.code.0)));
        assert!(TABLE.iter().all(|entry| !entry.title.ends_with('.') && entry.explanation.ends_with('.')));
    }
}
