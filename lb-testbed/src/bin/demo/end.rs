//! The last chapter: what swarmlb leaves behind (nothing), or how to look around in what was kept.

use anyhow::Result;
use lb_testbed::leftovers;

use crate::{
    stage::{DATABASE, FRONT_NODE, NETWORK, PUBLISHED, Stage},
    story::Story,
};

pub(crate) fn tell(story: &mut Story, stage: Stage, keep: bool) -> Result<()> {
    if keep { kept(story, &stage) } else { removed(story, stage) }
}

fn removed(story: &mut Story, stage: Stage) -> Result<()> {
    story.chapter("Clean-up");
    story.say("`swarmlb detach` takes a node back to what it was:");
    for node in stage.cluster.nodes() {
        stage.cluster.stop_agent(&node.name)?;
        let detach = stage.swarmlb_command(&node.name, &["detach"])?;
        let output = stage.cluster.run_in(&node.ns, detach)?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        story.command(&format!("swarmlb detach        # on {}", node.name), &said);
        let links = stage.cluster.sh_in(&node.ns, "ip -brief link")?;
        let gone = !stage.cluster.pin_root(&node.name).exists() && links.lines().count() == 2;
        story.check(
            output.status.success() && gone,
            &format!("{} has its own two interfaces and no pin left", node.name),
        );
    }
    let names = stage.servers.iter().filter(|server| server.ns.resolv_conf().exists()).count();
    story.check(names == 0, &format!("{names} of the tasks still have a resolv.conf of ours"));
    let prefix = stage.cluster.prefix().clone();
    println!();
    story.during("removing namespaces and wires", || {
        drop(stage);
        Ok(())
    })?;
    let left = leftovers(&prefix)?;
    story.check(left.is_empty(), &format!("{} namespaces, pins or files left", left.len()));
    left.iter().for_each(|path| story.show(&path.display().to_string()));
    Ok(())
}

fn kept(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("Yours now");
    let swarmlb = stage.cluster.swarmlb_command()?;
    let swarmlb = swarmlb.get_program().to_string_lossy().into_owned();
    let (cluster, dir) = (&stage.cluster, stage.cluster.dir());
    let place = format!(
        "--pin-root {} --state-dir {}",
        cluster.pin_root(FRONT_NODE).display(),
        dir.join(format!("state-{FRONT_NODE}")).display()
    );
    let client = format!("nsenter --net={}", cluster.client().ns.path().display());
    story.say(&format!(
        "A page from any node:   {client} curl {}:{PUBLISHED}\n\
         Inside a task:          ip netns exec {} curl http://{DATABASE}:27017/\n\
         The network:            {swarmlb} network inspect {NETWORK} {place}\n\
         The service:            {swarmlb} service ps {DATABASE} {place}\n\
         Live connections:       {swarmlb} flows --vip {place}\n\
         Programs and maps:      {swarmlb} status {place}\n\
         Change the cluster:     edit {}: the agents follow",
        cluster.address("n2"),
        stage.front()?.name(),
        cluster.config_path().display(),
    ));
    println!();
    Ok(())
}
