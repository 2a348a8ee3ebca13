//! Kerberos credentials from a keytab of one's own choice.
//!
//! GSSAPI otherwise takes the keytab and the cache from the environment, of which a process has one for all its targets.
//! `libgssapi` has no call for it. These few lines are the only ones of popgate that the compiler cannot vouch for, and
//! only builds with Kerberos have them.

#![expect(
    unsafe_code,
    reason = "the system's GSSAPI is a C library, and no crate wraps gss_acquire_cred_from"
)]

use std::ffi::CString;
use std::ptr;

use libgssapi::credential::Cred;
use libgssapi::error::{Error, MajorFlags};
use libgssapi_sys::{
    GSS_C_INITIATE, GSS_S_COMPLETE, gss_OID_desc, gss_acquire_cred_from, gss_buffer_desc, gss_cred_id_t,
    gss_import_name, gss_key_value_element_desc, gss_key_value_set_desc, gss_name_t, gss_release_name,
};

/// The kind of a name that is a Kerberos principal (RFC 1964, 2.1.1), as DER.
static PRINCIPAL: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01";

/// Acquires credentials to initiate with, from the keys in `keytab`; tickets are kept in `cache`, such as
/// `MEMORY:something`.
///
/// # Errors
/// What GSSAPI says, or a bad name when a text holds a NUL.
pub(super) fn acquire(principal: Option<&str>, keytab: &str, cache: &str) -> Result<Cred, Error> {
    let text =
        |text: &str| CString::new(text).map_err(|_| Error { major: MajorFlags::GSS_S_BAD_NAME, minor: 0 });
    let (keytab, cache) = (text(keytab)?, text(cache)?);
    let mut elements = [
        gss_key_value_element_desc { key: c"client_keytab".as_ptr(), value: keytab.as_ptr() },
        gss_key_value_element_desc { key: c"ccache".as_ptr(), value: cache.as_ptr() },
    ];
    let store = gss_key_value_set_desc { count: 2, elements: elements.as_mut_ptr() };
    let name = principal.map(Name::import).transpose()?;
    let mut minor = GSS_S_COMPLETE;
    let mut cred: gss_cred_id_t = ptr::null_mut();
    // SAFETY: every pointer is to a local that outlives the call, or null where GSSAPI allows it; the name is borrowed.
    let major = unsafe {
        gss_acquire_cred_from(
            &raw mut minor,
            name.as_ref().map_or(ptr::null_mut(), |name| name.0),
            u32::MAX,
            ptr::null_mut(),
            GSS_C_INITIATE.cast_signed(),
            &raw const store,
            &raw mut cred,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if major == GSS_S_COMPLETE {
        // SAFETY: GSSAPI has just made it, and nobody else has it.
        Ok(unsafe { Cred::from_c(cred) })
    } else {
        Err(Error { major: MajorFlags::from_bits_retain(major), minor })
    }
}

/// An imported name; `libgssapi` does not hand out the pointer of its own.
struct Name(gss_name_t);

impl Name {
    fn import(principal: &str) -> Result<Self, Error> {
        let mut text =
            gss_buffer_desc { length: principal.len(), value: principal.as_ptr().cast_mut().cast() };
        let mut kind = gss_OID_desc {
            length: u32::try_from(PRINCIPAL.len()).unwrap_or_default(),
            elements: PRINCIPAL.as_ptr().cast_mut().cast(),
        };
        let mut minor = GSS_S_COMPLETE;
        let mut name: gss_name_t = ptr::null_mut();
        // SAFETY: GSSAPI only reads the text and the kind, both of which outlive the call.
        let major = unsafe { gss_import_name(&raw mut minor, &raw mut text, &raw mut kind, &raw mut name) };
        if major == GSS_S_COMPLETE {
            Ok(Self(name))
        } else {
            Err(Error { major: MajorFlags::from_bits_retain(major), minor })
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut minor = GSS_S_COMPLETE;
        // SAFETY: the name is ours alone and released once.
        unsafe { gss_release_name(&raw mut minor, &raw mut self.0) };
    }
}
