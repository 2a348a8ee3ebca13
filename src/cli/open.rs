//! From settings to stores and services. Nothing is contacted yet.

use std::path::Path;
use std::sync::Arc;

use crate::services::{Service, announce, command, dovecot, exchange, manual, none, systemd};
use crate::settings::service::{DovecotAction, ServiceSettings};
use crate::settings::store::{SqlValue, Sqlite, StoreSettings};
use crate::stores::exchange as mailboxes;
use crate::stores::sql::{self, sqlite};
use crate::stores::{Reader, Writer};

/// Opens a store without any way to write.
pub(super) fn reader(settings: &StoreSettings) -> Arc<dyn Reader> {
    match settings {
        StoreSettings::Sqlite(settings) => Arc::new(sqlite::open(table(settings))),
        StoreSettings::Exchange(settings) => Arc::new(mailboxes::open((**settings).clone())),
    }
}

/// Opens a store for reading and writing.
pub(super) fn writer(settings: &StoreSettings) -> Arc<dyn Writer> {
    match settings {
        StoreSettings::Sqlite(settings) => Arc::new(sqlite::open(table(settings))),
        StoreSettings::Exchange(settings) => Arc::new(mailboxes::open((**settings).clone())),
    }
}

fn table(settings: &Sqlite) -> sql::Table {
    if settings.create {
        return sql::Table { busy_timeout: settings.busy_timeout, ..sql::Table::own(&settings.path) };
    }
    let value = |value: &SqlValue| match value {
        SqlValue::Integer(number) => sql::SqlValue::Integer(*number),
        SqlValue::Text(text) => sql::SqlValue::Text(text.clone()),
    };
    sql::Table {
        path: settings.path.clone(),
        table: settings.table.clone(),
        key: settings.key.clone(),
        columns: settings.columns.clone(),
        enabled: value(&settings.enabled),
        disabled: value(&settings.disabled),
        aliases: settings.aliases.clone(),
        name: settings.name.clone(),
        filter: settings.filter.clone(),
        busy_timeout: settings.busy_timeout,
        create: false,
    }
}

/// Makes the service; nothing is run yet.
pub(super) fn service(settings: &ServiceSettings) -> Arc<dyn Service> {
    Arc::from(boxed(settings))
}

fn boxed(settings: &ServiceSettings) -> Box<dyn Service> {
    match settings {
        ServiceSettings::Announce { service } => Box::new(announce::Announce { name: service.clone() }),
        ServiceSettings::Command { restart, timeout, name } => Box::new(command::Command {
            argv: restart.clone(),
            timeout: *timeout,
            name: name.clone(),
            without_env: Vec::new(),
        }),
        ServiceSettings::Systemd { unit, timeout } => {
            Box::new(systemd::Systemd { timeout: *timeout, ..systemd::Systemd::new(unit) })
        }
        ServiceSettings::Dovecot { action, config, doveadm, timeout } => {
            let action = match action {
                DovecotAction::FlushAndEndSessions => dovecot::DovecotAction::FlushAndEndSessions,
                DovecotAction::Reload => dovecot::DovecotAction::Reload,
                DovecotAction::Restart => dovecot::DovecotAction::Restart,
            };
            // doveconf and dovecot lie beside doveadm.
            let programs = doveadm.parent().filter(|parent| *parent != Path::new(""));
            Box::new(dovecot::Dovecot {
                action,
                config: config.clone(),
                programs: programs.map(Path::to_owned),
                timeout: *timeout,
            })
        }
        ServiceSettings::Exchange(farm) => Box::new(exchange::Exchange::new((**farm).clone())),
        ServiceSettings::Manual { of, instructions } => {
            let of = of.as_deref().map(boxed);
            Box::new(manual::Manual::new(of).with_instructions(instructions.clone()))
        }
        ServiceSettings::None => Box::new(none::Nothing),
    }
}
