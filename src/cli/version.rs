//! `popgate version`: which version this is, and what was built in.

use super::args::{Format, Version as Args};
use super::exit::Exit;
use super::render::Render;
use crate::report;

/// Whether Kerberos was built in; everything else is in every build.
const KERBEROS: bool = cfg!(feature = "kerberos");

pub(super) fn run(args: &Args, render: Render) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    match args.format {
        Format::Text => {
            let kerberos = if KERBEROS { "yes" } else { "no" };
            render.result(&format!("popgate {version}\nkerberos: {kerberos}\n"));
        }
        Format::Json => {
            let version = serde_json::json!({
                "format_version": report::json::FORMAT_VERSION,
                "version": version,
                "kerberos": KERBEROS,
            });
            render.result(&format!("{version:#}\n"));
        }
    }
    Exit::Success
}
