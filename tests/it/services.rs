//! The services against real programs: a real Dovecot, real commands, and a stand-in for systemd.

mod command;
mod dovecot;
mod exchange;
mod systemd;

use std::io::Write;
use std::sync::{Arc, Mutex};

use popgate::model::AccountId;
use popgate::services::{Instance, Service};

/// The service's only instance.
fn only(service: &dyn Service) -> Instance {
    let mut instances = service.profile().instances;
    assert_eq!(instances.len(), 1);
    instances.remove(0)
}

fn accounts<T: Into<Box<str>>>(ids: impl IntoIterator<Item = T>) -> Vec<AccountId> {
    ids.into_iter().map(AccountId::new).collect()
}

/// Catches what is logged on this thread until dropped.
struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    fn start() -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_writer(move || Sink(Arc::clone(&sink)))
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}

struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
