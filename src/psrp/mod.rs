//! PowerShell remoting (MS-PSRP over MS-WSMV): one small client for Exchange's `/PowerShell/`, for Windows' `/wsman`
//! and for JEA endpoints.
//!
//! It sends command objects with typed parameters and never script text, so it works where the language is off. The
//! protocol is pure: [`clixml`], [`fragment`], [`message`] and [`wsman`] read hostile bytes without a panic and within
//! bounds. [`client`] asks, waits and cleans up.
//!
//! ```no_run
//! # async fn example(endpoint: popgate::psrp::Endpoint) -> Result<(), popgate::psrp::Error> {
//! use popgate::psrp::{Client, Command, Pipeline};
//! let mut session = Client::new(endpoint)?.open().await?;
//! let read = Command::new("Get-CASMailbox").with("ResultSize", "Unlimited");
//! let answer = session.run(&Pipeline::of([read]), &mut |mailbox| drop(mailbox.member("Guid"))).await;
//! assert!(answer.completed() && answer.errors.is_empty());
//! session.close().await
//! # }
//! ```

pub mod client;
pub mod clixml;
mod conversation;
mod cookies;
pub mod endpoint;
pub mod error;
mod farewell;
pub mod fragment;
mod http;
#[cfg(feature = "kerberos")]
mod kerberos;
pub mod message;
#[cfg(feature = "kerberos")]
mod negotiate;
mod pace;
pub mod record;
#[cfg(feature = "kerberos")]
mod seal;
pub mod sight;
pub mod value;
pub mod wsman;
mod xml;

pub use client::{Answer, Client, Ending, Pipeline, Session};
pub use endpoint::{Auth, Credential, Endpoint, Patience};
pub use error::{Error, Kind};
pub use farewell::{farewell, leave};
pub use message::Command;
pub use record::{ErrorRecord, Warning};
pub use value::{Object, Value};
