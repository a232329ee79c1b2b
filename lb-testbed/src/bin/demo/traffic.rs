//! Traffic that goes on while something happens to the cluster: pages on new connections and on kept
//! ones from outside, and kept connections inside, from mongo-express to the virtual IP of mongo.

use std::time::Duration;

use anyhow::Result;
use lb_testbed::{Load, RunningLoad};

use crate::{stage::Stage, story::Story};

/// New connections per second.
const FRESH_PER_S: f64 = 150.0;
/// Requests per second on kept connections.
const KEPT_PER_S: f64 = 50.0;
/// Kept connections.
const KEPT: usize = 12;
/// How long a request may take: less than a connection waits before it tries again.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// How long a number of answers may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// All kinds, running.
#[derive(Debug)]
pub(crate) struct Traffic {
    fresh: RunningLoad,
    kept: RunningLoad,
    inside: RunningLoad,
}

impl Traffic {
    /// Starts it and waits for the first answers, so that the kept connections are established.
    pub(crate) fn start(story: &Story, stage: &Stage) -> Result<Self> {
        let (client, targets) = (&stage.cluster.client().ns, stage.targets());
        let kept = |load: Load| load.keep_alive().per_second(KEPT_PER_S).concurrency(KEPT);
        let limited = |load: Load| load.request_limit(REQUEST_LIMIT).start();
        let traffic = Self {
            fresh: limited(Load::new(client, targets.clone()).per_second(FRESH_PER_S))?,
            kept: limited(kept(Load::new(client, targets)))?,
            inside: limited(kept(Load::new(stage.front()?, [stage.vip()?])))?,
        };
        let what = format!(
            "load: {FRESH_PER_S} new connections/s to all nodes, {KEPT} kept ones, {KEPT} kept inside"
        );
        traffic.go_on(story, &what, 100)?;
        Ok(traffic)
    }

    /// Waits for so many more pages on new connections, and for some on kept ones.
    pub(crate) fn go_on(&self, story: &Story, what: &str, answers: u64) -> Result<()> {
        story.during(what, || {
            self.fresh.wait_more_ok(answers, ANSWER_LIMIT)?;
            self.kept.wait_more_ok(answers / 20, ANSWER_LIMIT)?;
            self.inside.wait_more_ok(answers / 20, ANSWER_LIMIT)
        })
    }

    /// Ends it and says how it went.
    pub(crate) fn stop(self, story: &mut Story, during: &str) -> Result<()> {
        let (fresh, kept) = (self.fresh.stop()?, self.kept.stop()?);
        let inside = self.inside.stop()?;
        let all = [
            (&fresh, "pages on new connections"),
            (&kept, "pages on kept connections"),
            (&inside, "answers of mongo on kept connections"),
        ];
        for (report, what) in all {
            let clean = report.ok > 0 && report.failed == 0;
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
