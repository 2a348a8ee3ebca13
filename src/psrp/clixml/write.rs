//! Values in, CLIXML out.

use std::fmt::Write as _;

use super::escape::escape;
use crate::psrp::value::Value;

/// Writes one value as a document of its own.
pub fn write(value: &Value) -> String {
    let mut writer = Writer::default();
    writer.value(None, value);
    writer.finish()
}

/// Writes a document piece by piece. Numbers of references count up by themselves; nothing is ever referred to, which
/// is longer than what PowerShell writes and means the same.
#[derive(Debug, Default)]
pub(in crate::psrp) struct Writer {
    text: String,
    objects: u32,
    types: u32,
}

impl Writer {
    /// Returns the document.
    pub(in crate::psrp) fn finish(self) -> String {
        self.text
    }

    /// Writes an object with these types and members.
    pub(in crate::psrp) fn object(
        &mut self,
        name: Option<&str>,
        types: &[&str],
        members: impl FnOnce(&mut Self),
    ) {
        self.open(name, types);
        self.text.push_str("<MS>");
        members(self);
        self.text.push_str("</MS></Obj>");
    }

    /// Writes a list of objects.
    pub(in crate::psrp) fn list(&mut self, name: Option<&str>, items: impl FnOnce(&mut Self)) {
        self.open(name, &["System.Collections.ArrayList", "System.Object"]);
        self.text.push_str("<LST>");
        items(self);
        self.text.push_str("</LST></Obj>");
    }

    /// Writes an enumeration: its number, its type, its word.
    pub(in crate::psrp) fn word(&mut self, name: &str, of: &str, number: i32, word: &str) {
        self.open(Some(name), &[of, "System.Enum", "System.ValueType", "System.Object"]);
        let _ = write!(self.text, "<ToString>{word}</ToString><I32>{number}</I32></Obj>");
    }

    /// Writes any value.
    pub(in crate::psrp) fn value(&mut self, name: Option<&str>, value: &Value) {
        match value {
            Value::Nil => {
                self.begin("Nil", name);
                self.text.truncate(self.text.len() - 1);
                self.text.push_str(" />");
            }
            Value::Text(text) => self.plain("S", name, |into| escape(text, into)),
            Value::Bool(truth) => {
                self.plain("B", name, |into| into.push_str(if *truth { "true" } else { "false" }));
            }
            Value::Int(number) => {
                let tag = if i32::try_from(*number).is_ok() { "I32" } else { "I64" };
                self.plain(tag, name, |into| shown(into, number));
            }
            Value::Big(number) => self.plain("U64", name, |into| shown(into, number)),
            Value::Float(number) => self.plain("Db", name, |into| shown(into, number)),
            Value::Guid(guid) => self.plain("G", name, |into| shown(into, guid)),
            Value::Moment(text) => self.plain("DT", name, |into| escape(text, into)),
            Value::List(items) => {
                self.list(name, |into| items.iter().for_each(|item| into.value(None, item)));
            }
            Value::Map(pairs) => {
                self.open(name, &["System.Collections.Hashtable", "System.Object"]);
                self.pairs(pairs);
                self.text.push_str("</Obj>");
            }
            Value::Object(object) => {
                let types: Vec<&str> = object.types.iter().map(String::as_str).collect();
                self.open(name, &types);
                if let Some(text) = &object.text {
                    self.plain("ToString", None, |into| escape(text, into));
                }
                match &object.inner {
                    Value::Nil => {}
                    Value::List(items) => {
                        self.text.push_str("<LST>");
                        for item in items {
                            self.value(None, item);
                        }
                        self.text.push_str("</LST>");
                    }
                    Value::Map(pairs) => self.pairs(pairs),
                    inner => self.value(None, inner),
                }
                self.text.push_str("<MS>");
                for (name, value) in &object.members {
                    self.value(Some(name), value);
                }
                self.text.push_str("</MS></Obj>");
            }
        }
    }

    fn pairs(&mut self, pairs: &[(Value, Value)]) {
        self.text.push_str("<DCT>");
        for (key, value) in pairs {
            self.text.push_str("<En>");
            self.value(Some("Key"), key);
            self.value(Some("Value"), value);
            self.text.push_str("</En>");
        }
        self.text.push_str("</DCT>");
    }

    /// Writes a version, which a peer that negotiates insists on.
    pub(in crate::psrp) fn version(&mut self, name: &str, version: &str) {
        self.plain("Version", Some(name), |into| escape(version, into));
    }

    fn open(&mut self, name: Option<&str>, types: &[&str]) {
        let _ = write!(self.text, "<Obj RefId=\"{}\"", self.objects);
        self.objects += 1;
        self.name(name);
        self.text.push('>');
        if !types.is_empty() {
            let _ = write!(self.text, "<TN RefId=\"{}\">", self.types);
            self.types += 1;
            for name in types {
                self.plain("T", None, |into| escape(name, into));
            }
            self.text.push_str("</TN>");
        }
    }

    fn plain(&mut self, tag: &str, name: Option<&str>, content: impl FnOnce(&mut String)) {
        self.begin(tag, name);
        content(&mut self.text);
        let _ = write!(self.text, "</{tag}>");
    }

    fn begin(&mut self, tag: &str, name: Option<&str>) {
        self.text.push('<');
        self.text.push_str(tag);
        self.name(name);
        self.text.push('>');
    }

    fn name(&mut self, name: Option<&str>) {
        if let Some(name) = name {
            self.text.push_str(" N=\"");
            escape(name, &mut self.text);
            self.text.push('"');
        }
    }
}

fn shown(into: &mut String, value: impl std::fmt::Display) {
    let _ = write!(into, "{value}");
}
