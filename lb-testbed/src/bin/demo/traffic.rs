//! Traffic that goes on while something happens to the cluster: new connections to every node, and
//! connections that were there before.

use std::time::Duration;

use anyhow::Result;
use lb_testbed::{Load, RunningLoad};

use crate::{stage::Stage, story::Story};

/// New connections per second.
const FRESH_PER_S: f64 = 400.0;
/// Requests per second on kept connections.
const KEPT_PER_S: f64 = 200.0;
/// Kept connections.
const KEPT: usize = 24;
/// How long a number of answers may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Both kinds, running.
#[derive(Debug)]
pub(crate) struct Traffic {
    fresh: RunningLoad,
    kept: RunningLoad,
}

impl Traffic {
    /// Starts it and waits for the first answers, so that the kept connections are established.
    pub(crate) fn start(story: &Story, stage: &Stage) -> Result<Self> {
        let (client, targets) = (&stage.cluster.client().ns, stage.targets());
        let fresh = Load::new(client, targets.clone()).per_second(FRESH_PER_S).start()?;
        let kept = Load::new(client, targets).keep_alive().per_second(KEPT_PER_S);
        let kept = kept.concurrency(KEPT).start()?;
        let traffic = Self { fresh, kept };
        let what = format!(
            "load: {FRESH_PER_S} new connections/s and {KEPT_PER_S} requests/s on {KEPT} kept ones"
        );
        traffic.go_on(story, &what, 200)?;
        Ok(traffic)
    }

    /// Waits for so many more answers on new connections, and for some on kept ones.
    pub(crate) fn go_on(&self, story: &Story, what: &str, answers: u64) -> Result<()> {
        story.during(what, || {
            self.fresh.wait_more_ok(answers, ANSWER_LIMIT)?;
            self.kept.wait_more_ok(answers / 20, ANSWER_LIMIT)
        })
    }

    /// Ends it and says how it went.
    pub(crate) fn stop(self, story: &mut Story, during: &str) -> Result<()> {
        let (fresh, kept) = (self.fresh.stop()?, self.kept.stop()?);
        for (report, what) in [(&fresh, "new connections"), (&kept, "kept connections")] {
            let clean = report.ok > 0 && report.failed == 0;
            let p99_ms = report.latency_p99.as_secs_f64() * 1000.0;
            let counts = format!("{} requests on {what}, {} failed", report.ok, report.failed);
            story.check(clean, &format!("{during}: {counts} (99 % within {p99_ms:.1} ms)"));
            if !clean {
                story.show(&report.to_string());
            }
        }
        let twins = fresh.other_port + kept.other_port;
        if twins > 0 {
            story.show(&format!(
                "       ({twins} saw another client port: the client used one port towards two nodes\n       \
                  at once, which the task could not tell apart otherwise)"
            ));
        }
        Ok(())
    }
}
