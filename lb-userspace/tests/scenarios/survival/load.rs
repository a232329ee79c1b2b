//! Scaling while requests run, a connection each: none fails.

use lb_testbed::{Load, RunningLoad};

use super::stage::{AMPLE, SIX, Stage};

/// Answers to wait for around each change, so that it falls amid the load.
const AROUND: u64 = 200;

pub(super) fn load(stage: &Stage) -> RunningLoad {
    let load = Load::new(stage.client(), stage.everywhere());
    let running = load.per_second(300.0).concurrency(16).start().expect("a load");
    running.wait_more_ok(AROUND, AMPLE).expect("answers");
    running
}

#[test]
fn scaling_up_under_load_fails_no_request() {
    let mut stage = Stage::with(&SIX[..2]);
    let running = load(&stage);
    stage.change(&SIX[..3]);
    running.wait_more_ok(AROUND, AMPLE).expect("answers");
    stage.change(&SIX);
    running.wait_more_ok(AROUND, AMPLE).expect("answers");
    let report = running.stop().expect("a report");
    report.expect_clean().expect("no failure");
    assert_eq!(report.by_task.len(), 6, "{report}");
}

/// As an operator scales down without loss: drain, let the tasks finish, remove. The servers run
/// until after the removal, as those of an orchestrator's `stop_grace_period` do.
#[test]
fn draining_and_then_removing_under_load_fails_no_request() {
    let mut stage = Stage::with(&SIX);
    let running = load(&stage);
    let mut drained = SIX;
    drained[4].2 = 0;
    drained[5].2 = 0;
    stage.change(&drained);
    running.wait_more_ok(AROUND, AMPLE).expect("answers");
    stage.change(&SIX[..4]);
    running.wait_more_ok(AROUND, AMPLE).expect("answers");
    running.stop().expect("a report").expect_clean().expect("no failure");
}

/// Without a drain of the operator's own, the home node drains a removed task for the hold time:
/// requests that end within it are answered.
#[test]
fn removing_at_once_under_load_fails_no_short_request() {
    let mut stage = Stage::with(&SIX);
    // Long enough for a request on a busy machine.
    let hold = |config: String| config.replace("[cluster]", "[cluster]\nhold_ms = 3000");
    let six = hold(stage.prepare(&SIX));
    stage.cluster.apply_config(&six).expect("a longer hold");
    let running = load(&stage);
    let four = hold(stage.config(&SIX[..4]));
    stage.cluster.apply_config(&four).expect("the removal");
    running.wait_more_ok(AROUND, AMPLE).expect("answers");
    running.stop().expect("a report").expect_clean().expect("no failure");
}
