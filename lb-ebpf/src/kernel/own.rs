//! tcx at egress of the NICs, beside Docker: what the node's own processes send to tasks of nodes without
//! agent. Carries out what `decide::own` concluded.

use aya_ebpf::{EbpfContext as _, bindings::tcx_action_base::TCX_NEXT, programs::TcContext};
use lb_common::drops::Reason;

use super::{
    Kernel,
    skb::into_ingress,
    skb_nat::view,
    tcx::{finish, is_whole, unreachable_here},
    trace::tell,
};
use crate::{
    decide::own::{dial, own},
    parse::Parsed,
    tables::Tables,
    verdict::{Action, Verdict},
};

/// The program. The headers of what the node itself sends lie in the linear bytes.
#[inline(always)]
pub fn run(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let Some(parsed) = own(&kernel, &view(ctx), is_whole(ctx)) else { return TCX_NEXT };
    let mut verdict = Verdict::pass();
    if dial(&kernel, &parsed, &mut verdict) { carry_out(ctx, &parsed, &verdict) } else { TCX_NEXT }
}

#[inline(never)]
fn carry_out(ctx: &TcContext, parsed: &Parsed, verdict: &Verdict) -> i32 {
    tell(ctx, parsed, verdict.action as u8, verdict.index);
    let kernel = Kernel::new(ctx.as_ptr());
    let outcome = match verdict.action {
        Action::ToIngress => into_ingress(ctx, &kernel, parsed, verdict),
        Action::TooBig => {
            kernel.count(Reason::TooBig);
            unreachable_here(ctx, verdict.mtu)
        }
        _ => Err(verdict.reason.unwrap_or(Reason::Internal)),
    };
    finish(&kernel, outcome)
}
