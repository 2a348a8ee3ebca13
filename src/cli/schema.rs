//! `popgate schema`: JSON schemas for editors and for readers of the JSON plan.

use super::args::{Schema as Args, SchemaOf};
use super::exit::Exit;
use super::render::Render;
use crate::{desired, report, settings};

pub(super) fn run(args: &Args, render: Render) -> Exit {
    let schema = match args.of {
        SchemaOf::Desired => desired::json_schema(),
        SchemaOf::Settings => settings::json_schema(),
        SchemaOf::Plan => report::json::schema(),
    };
    render.result(&format!("{schema:#}\n"));
    Exit::Success
}
