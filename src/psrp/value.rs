//! What goes over the wire as CLIXML, once it is read: plain values, and objects with members.

use std::sync::Arc;

use uuid::Uuid;

/// One value of PowerShell, as far as anybody here needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `$null`.
    #[default]
    Nil,
    /// Text, also of kinds that nothing here looks into: versions, addresses, durations.
    Text(String),
    /// A truth value, or a switch.
    Bool(bool),
    /// Any whole number but those above `i64`.
    Int(i64),
    /// A whole number above `i64`.
    Big(u64),
    /// A number with a fraction.
    Float(f64),
    /// A GUID.
    Guid(Uuid),
    /// A moment, as the other side wrote it.
    Moment(String),
    /// A list, a stack, a queue, or anything else that was enumerated.
    List(Vec<Self>),
    /// A hash table.
    Map(Vec<(Self, Self)>),
    /// An object with members. Shared, because a document may refer to one object many times.
    Object(Arc<Object>),
}

/// An object: types, members, and what it prints as.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// Names of types, the nearest first.
    pub types: Arc<Vec<String>>,
    /// What the object prints as.
    pub text: Option<String>,
    /// The value inside: the number of an enumeration, the items of a list. `Nil` if there is none.
    pub inner: Value,
    /// Members in order; the names are unique but for the sender's mistakes.
    pub members: Vec<(String, Value)>,
}

impl Value {
    /// Returns a member of an object, without regard to the case of ASCII letters, as PowerShell does.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(object) = self else { return None };
        object.members.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns what a person would read: the text of text, numbers and objects that say how they print.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Nil | Self::List(_) | Self::Map(_) => None,
            Self::Text(text) | Self::Moment(text) => Some(text.clone()),
            Self::Bool(truth) => Some(if *truth { "True" } else { "False" }.to_owned()),
            Self::Int(number) => Some(number.to_string()),
            Self::Big(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Guid(guid) => Some(guid.to_string()),
            Self::Object(object) => match &object.text {
                Some(text) => Some(text.clone()),
                // One step only: objects may lie in each other.
                None => match &object.inner {
                    Self::Object(_) => None,
                    inner => inner.text(),
                },
            },
        }
    }

    /// Returns the truth value, also where it came as an object or as text, as it does below a certain depth.
    pub fn truth(&self) -> Option<bool> {
        match self.plain() {
            Self::Bool(truth) => Some(*truth),
            _ if self.words()?.trim().eq_ignore_ascii_case("true") => Some(true),
            _ if self.words()?.trim().eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Returns the whole number.
    pub fn number(&self) -> Option<i64> {
        match self.plain() {
            Self::Int(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Returns the GUID, also where it came as text.
    pub fn guid(&self) -> Option<Uuid> {
        match self.plain() {
            Self::Guid(guid) => Some(*guid),
            _ => Uuid::parse_str(self.words()?.trim()).ok(),
        }
    }

    /// Returns the items of a list, also of one inside an object.
    pub fn items(&self) -> &[Self] {
        match self.plain() {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Text, also inside an object, or what an object prints as that has lost its value on the way.
    fn words(&self) -> Option<&str> {
        match (self.plain(), self) {
            (Self::Text(text), _) => Some(text),
            (Self::Nil, Self::Object(object)) => object.text.as_deref(),
            _ => None,
        }
    }

    /// Looks inside one object.
    fn plain(&self) -> &Self {
        match self {
            Self::Object(object) => &object.inner,
            plain => plain,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Uuid> for Value {
    fn from(guid: Uuid) -> Self {
        Self::Guid(guid)
    }
}

impl<const N: usize> From<[&str; N]> for Value {
    fn from(items: [&str; N]) -> Self {
        Self::List(items.map(Self::from).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a value below the depth to which the server serializes.
    fn printed(text: &str) -> Value {
        Value::Object(Arc::new(Object { text: Some(text.to_owned()), ..Object::default() }))
    }

    #[test]
    fn a_truth_or_a_guid_that_only_prints_is_still_one() {
        let guid = Uuid::from_u128(7);
        assert_eq!(printed("True").truth(), Some(true));
        assert_eq!(printed(" false ").truth(), Some(false));
        assert_eq!(printed(&guid.to_string()).guid(), Some(guid));
        assert_eq!((printed("System.Boolean").truth(), printed("").guid()), (None, None));
        let inner = Object { text: Some("True".to_owned()), inner: Value::Bool(false), ..Object::default() };
        assert_eq!(
            Value::Object(Arc::new(inner)).truth(),
            Some(false),
            "the value counts, not how it prints"
        );
        assert_eq!((Value::Nil.truth(), Value::Nil.guid()), (None, None));
    }
}
