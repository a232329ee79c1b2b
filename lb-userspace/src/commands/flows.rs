//! `flows`.
use lb_userspace::observe::{FlowList, Pins, VipFlowList};

use super::print::show;
use crate::cli::FlowsArgs;

/// `flows`.
pub(crate) fn run(args: &FlowsArgs) -> anyhow::Result<()> {
    let pins = Pins::open(&args.look.place.pin_root)?;
    let snapshot = pins.snapshot()?;
    let service = args.service.as_deref();
    if args.vip {
        let flows = pins.vip_flows()?;
        return show(&VipFlowList::new(&snapshot, &flows, service, args.limit)?, args.look.output);
    }
    let list = FlowList::new(&snapshot, &pins.flows()?, service, args.closed, args.limit)?;
    show(&list, args.look.output)
}
