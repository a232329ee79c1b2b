//! Kernel settings of the node's namespace, with their former values put on record.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{HostError, Journal, Result};

/// Makes the node forward packets between interfaces, which egress of tasks needs. Per namespace.
pub const IP_FORWARD: &str = "net.ipv4.ip_forward";

/// Gives a setting a value, after the journal has the former one. Does nothing where it has it.
///
/// # Errors
/// When /proc/sys cannot be read or written, or the journal cannot.
pub fn ensure(journal: &mut Journal, key: &str, value: &str) -> Result<()> {
    let before = read(key)?;
    if before == value {
        return Ok(());
    }
    journal.record_sysctl(key, &before, value)?;
    write(key, value)
}

/// Keeps an interface of the calling thread's namespace silent in IPv6: no address, no router
/// solicitation. For interfaces of our own, with which the setting goes; does nothing on a kernel
/// without IPv6.
///
/// # Errors
/// When /proc/sys cannot be written.
pub(super) fn disable_ipv6(interface: &str) -> Result<()> {
    // Not by `path`: an interface's name may have dots.
    let settings = Path::new("/proc/sys/net/ipv6/conf").join(interface);
    if !settings.exists() {
        return Ok(());
    }
    let action = format!("turn IPv6 off at {interface} (run as root, with /proc/sys writable)");
    fs::write(settings.join("disable_ipv6"), "1").map_err(HostError::io(action))
}

/// The value of a setting.
///
/// # Errors
/// When there is no such setting.
pub fn read(key: &str) -> Result<String> {
    let text =
        fs::read_to_string(path(key)).map_err(HostError::io(format!("read sysctl {key}")))?;
    Ok(text.trim().into())
}

pub(super) fn write(key: &str, value: &str) -> Result<()> {
    let action = format!("set sysctl {key} (run as root, with /proc/sys writable)");
    fs::write(path(key), value).map_err(HostError::io(action))
}

/// /proc/sys shows the calling thread's namespace.
fn path(key: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(key.replace('.', "/"))
}
