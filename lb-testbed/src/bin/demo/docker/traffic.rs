//! Traffic that goes on while something happens to the Swarm: each request on a new connection, from
//! outside to all nodes' published ports, and from the page to the database's virtual IP.

use std::time::Duration;

use anyhow::Result;
use lb_testbed::{Load, RunningLoad};

use super::stage::Stage;
use crate::story::Story;

/// Requests per second to the published ports.
const OUTSIDE_PER_S: f64 = 400.0;
/// Requests per second to pages that ask the database.
const PAGES_PER_S: f64 = 100.0;
/// A path that the page answers by itself.
const PLAIN: &str = "/slow?ms=0";
/// How long a number of answers may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Both kinds, running.
#[derive(Debug)]
pub(crate) struct Traffic {
    plain: RunningLoad,
    pages: RunningLoad,
}

impl Traffic {
    /// Starts it and waits for the first answers.
    pub(crate) fn start(story: &Story, stage: &Stage) -> Result<Self> {
        let load = |rate| Load::new(stage.client(), stage.targets()).per_second(rate);
        let traffic = Self {
            plain: load(OUTSIDE_PER_S).path(PLAIN).start()?,
            pages: load(PAGES_PER_S).start()?,
        };
        let rate = OUTSIDE_PER_S + PAGES_PER_S;
        traffic.go_on(story, &format!("load: {rate} requests/s, a new connection each"))?;
        Ok(traffic)
    }

    /// Waits for some more answers of both kinds.
    pub(crate) fn go_on(&self, story: &Story, what: &str) -> Result<()> {
        story.during(what, || {
            self.plain.wait_more_ok(400, LIMIT)?;
            self.pages.wait_more_ok(100, LIMIT)
        })
    }

    /// Ends it and says how it went.
    pub(crate) fn stop(self, story: &mut Story, during: &str) -> Result<()> {
        let (plain, pages) = (self.plain.stop()?, self.pages.stop()?);
        for (report, what) in [(&plain, "requests"), (&pages, "pages with data")] {
            let clean = report.expect_clean().is_ok();
            let p99_ms = report.latency_p99.as_secs_f64() * 1000.0;
            let counts = format!("{} {what}, {} failed", report.ok, report.failed);
            story.check(clean, &format!("{during}: {counts} (99 % within {p99_ms:.1} ms)"));
            if !clean {
                story.show(&report.to_string());
            }
        }
        Ok(())
    }
}
