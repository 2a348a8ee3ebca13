//! A text that never grows longer than it may.

/// Lines, as long as there is room for them.
pub(super) struct Room {
    text: String,
    used: usize,
    most: usize,
}

impl Room {
    /// Room for so many characters.
    pub(super) fn new(most: usize) -> Self {
        Self { text: String::new(), used: 0, most }
    }

    /// Returns how many characters are taken.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Makes more room.
    pub(super) fn reserve(&mut self, more: usize) {
        self.most += more;
    }

    /// Tells whether these lines together still fit.
    pub(super) fn fits(&self, lines: &[&str]) -> bool {
        self.used + lines.iter().map(|line| line.chars().count() + 1).sum::<usize>() <= self.most
    }

    /// Writes a line if it fits.
    pub(super) fn try_line(&mut self, line: &str) -> bool {
        let fits = self.fits(&[line]);
        if fits {
            self.text.push_str(line);
            self.text.push('\n');
            self.used += line.chars().count() + 1;
        }
        fits
    }

    /// Writes a line that its writer knows to fit; one that does not is left out rather than cut.
    pub(super) fn line(&mut self, line: &str) {
        self.try_line(line);
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}
