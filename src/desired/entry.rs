//! One user in the desired state: as something to keep, and as something to look at.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::Access;

/// One user, on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as written.
    pub name: Box<str>,
    /// The access as written.
    pub access: Access,
    /// The last day of access, in the target's time zone.
    pub until: Option<Date>,
    /// Why, in the administrator's words.
    pub reason: Option<Box<str>>,
}

impl Entry {
    /// Returns the entry as one of a desired state would look.
    pub fn borrowed(&self) -> EntryRef<'_> {
        EntryRef { name: &self.name, access: self.access, until: self.until, reason: self.reason.as_deref() }
    }
}

/// One user in a desired state: as an [`Entry`], but borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// The name as written.
    pub name: &'a str,
    /// The access as written.
    pub access: Access,
    /// The last day of access, in the target's time zone.
    pub until: Option<Date>,
    /// Why, in the administrator's words.
    pub reason: Option<&'a str>,
}

/// What a plan has to know of each of a million entries; [`EntryRef`] says the rest of few.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a> {
    /// The bytes of the name as written.
    pub name: &'a [u8],
    /// The access as written.
    pub access: Access,
    /// The last day of access, in the target's time zone.
    pub until: Option<Date>,
}

impl Brief<'_> {
    /// Returns the access that the entry means on a day: `until` is the last day of access.
    pub fn access_on(&self, today: Date) -> Access {
        access_on(self.access, self.until, today)
    }
}

fn access_on(access: Access, until: Option<Date>, today: Date) -> Access {
    match until {
        Some(until) if today > until => Access::Disabled,
        _ => access,
    }
}

impl<'a> EntryRef<'a> {
    /// Returns the access that the entry means on a day: `until` is the last day of access.
    pub fn access_on(&self, today: Date) -> Access {
        access_on(self.access, self.until, today)
    }

    /// Returns what of it a plan has to know of each entry.
    pub fn brief(&self) -> Brief<'a> {
        Brief { name: self.name.as_bytes(), access: self.access, until: self.until }
    }

    /// Returns the moment from which the entry means `disabled`: the first moment of the day after `until` in
    /// a time zone, which need not be midnight. `None` when it never expires.
    pub fn expires_at(&self, zone: &TimeZone) -> Option<Timestamp> {
        let next_day = self.until?.tomorrow().ok()?;
        Some(next_day.to_zoned_datetime(zone.clone()).ok()?.start_of_day().ok()?.timestamp())
    }

    /// Tells whether two entries mean the same access, until the same day, for the same reason.
    pub fn means_same(&self, other: &EntryRef<'_>) -> bool {
        (self.access, self.until, self.reason) == (other.access, other.until, other.reason)
    }

    /// Returns a copy that can be kept.
    pub fn to_entry(&self) -> Entry {
        Entry {
            name: self.name.into(),
            access: self.access,
            until: self.until,
            reason: self.reason.map(Into::into),
        }
    }
}
