//! Ctrl-C, SIGTERM and a closed terminal: noted, and asked for between steps, so that the cluster
//! is removed on the way out.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

static SEEN: AtomicBool = AtomicBool::new(false);

/// Notes such signals from now on, instead of dying of them.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn watch() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = Vec::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let inside = runtime.enter();
        signals.push(signal(kind).context("cannot listen for signals")?);
        drop(inside);
    }
    thread::spawn(move || {
        let any = std::future::poll_fn(|cx| {
            let came = signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        });
        runtime.block_on(any);
        eprintln!("\n   Interrupted: removing the cluster ...");
        SEEN.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// Whether such a signal came.
pub(crate) fn seen() -> bool {
    SEEN.load(Ordering::Relaxed)
}

/// Asked at each step.
///
/// # Errors
/// Such a signal came.
pub(crate) fn check() -> Result<()> {
    if seen() { bail!("interrupted") } else { Ok(()) }
}
