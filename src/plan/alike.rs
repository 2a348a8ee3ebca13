//! Names that look like a misspelt one.

use crate::name::folded;

/// How many names are looked at for one plan. A suggestion is a kindness, and must not cost more than the plan.
pub(super) const MOST_LOOKS: u64 = 20_000_000;

/// A folded name that nobody has.
pub(super) struct Misspelt<'a> {
    name: &'a str,
    chars: Vec<char>,
    most: usize,
}

impl<'a> Misspelt<'a> {
    pub(super) fn new(name: &'a str) -> Self {
        // What is short is soon like anything: one slip in five characters, not counting a domain.
        let own = name.split('@').next().unwrap_or(name).chars().count();
        Self { name, chars: name.chars().collect(), most: if own > 5 { 2 } else { 1 } }
    }

    /// Returns how many slips of the keyboard lead from another name to this one: characters left out, put in,
    /// mistaken or exchanged. `None` when they are too many.
    pub(super) fn slips(&self, other: &str) -> Option<usize> {
        if other.len().abs_diff(self.name.len()) > 4 * self.most {
            return None;
        }
        if self.name.is_ascii() && other.is_ascii() {
            let same = |own: &u8, other: &u8| own.eq_ignore_ascii_case(other);
            return slips(self.name.as_bytes(), other.as_bytes(), self.most, same);
        }
        let other: Vec<char> = folded(other).chars().collect();
        slips(&self.chars, &other, self.most, |own, other| own == other)
    }
}

/// Tries every slip at the first place that differs. With few slips most names are given up after a few characters.
fn slips<C: Copy>(one: &[C], other: &[C], most: usize, same: fn(&C, &C) -> bool) -> Option<usize> {
    let equal = one.iter().zip(other).take_while(|(a, b)| same(a, b)).count();
    let (one, other) = (&one[equal..], &other[equal..]);
    if one.is_empty() && other.is_empty() {
        return Some(0);
    }
    let most = most.checked_sub(1)?;
    let exchanged = one.len() > 1 && other.len() > 1 && same(&one[0], &other[1]) && same(&one[1], &other[0]);
    let skip = |text: &[C], count: usize| text.len() >= count;
    let tries = [
        (1, 1, skip(one, 1) && skip(other, 1)),
        (1, 0, skip(one, 1)),
        (0, 1, skip(other, 1)),
        (2, 2, exchanged),
    ];
    let tries = tries.into_iter().filter(|(_, _, possible)| *possible);
    tries
        .filter_map(|(own, theirs, _)| slips(&one[own..], &other[theirs..], most, same))
        .min()
        .map(|rest| rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_slips_are_counted_and_more_are_another_name() {
        let wanted = "elisabeth@x.example";
        for (other, expected) in [
            ("elisabeth@x.example", Some(0)),
            ("Elizabeth@x.example", Some(1)),
            ("elisabteh@x.example", Some(1)),
            ("elisabet@x.example", Some(1)),
            ("xelisabeth@x.examples", Some(2)),
            ("lisbeth@x.example", Some(2)),
            ("lizbet@x.example", None),
            ("", None),
        ] {
            assert_eq!(Misspelt::new(wanted).slips(other), expected, "{other}");
        }
        assert_eq!(Misspelt::new("bjorn").slips("Bj\u{d6}rn"), Some(1));
        assert_eq!(Misspelt::new("bob@a.example").slips("rab@a.example"), None, "short names allow one slip");
    }

    proptest::proptest! {
        #[test]
        fn the_count_is_the_distance_as_others_compute_it(one in "[ab]{0,8}", other in "[ab]{0,8}") {
            let distance = strsim::osa_distance(&one, &other);
            let counted = Misspelt { most: 2, ..Misspelt::new(&one) }.slips(&other);
            proptest::prop_assert_eq!(counted, Some(distance).filter(|distance| *distance <= 2));
        }
    }
}
