//! "Did you mean": the word that was probably meant.

/// Returns the candidate that is nearest to a word, if one is near enough to be what was meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody mistypes a whole sentence, and comparing takes the product of both lengths.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    let tolerated = ((word.chars().count() + 1) / 4).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= tolerated && distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Writes words as a person lists them: `a`, `b` and `c`.
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    joined(words, "and")
}

/// Writes words of which one is to be chosen: `a`, `b` or `c`.
pub(super) fn choice<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    joined(words, "or")
}

fn joined<'a>(words: impl IntoIterator<Item = &'a str>, before_last: &str) -> String {
    let words: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match &words[..] {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., last] => format!("{} {before_last} {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_word_is_suggested() {
        let words = ["quiet", "max_delay", "min_interval", "at"];
        assert_eq!(nearest("quite", words), Some("quiet"));
        assert_eq!(nearest("Quiet", words), Some("quiet"));
        assert_eq!(nearest("maxdelay", words), Some("max_delay"));
        assert_eq!(nearest("revert", ["restore", "report"]), None);
        assert_eq!(nearest("color", words), None);
        assert_eq!(nearest("xy", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest(&"quiet".repeat(1000), words), None);
    }

    #[test]
    fn lists_read_as_a_sentence() {
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(choice(["a", "b"]), "`a` or `b`");
    }
}
