//! The Swarm itself: it comes up with real engines, runs a service, and leaves nothing.

use anyhow::Result;
use lb_testbed::{Cluster, Session as _, Swarm, TcpSession, leftovers};

#[test]
fn a_swarm_runs_services_and_leaves_nothing() -> Result<()> {
    let begun = std::time::Instant::now();
    let swarm = Swarm::up(Cluster::builder().nodes(3), 1)?;
    println!("up in {:?}", begun.elapsed());
    let web = "--replicas 3 --publish mode=host,published=8080,target=80 whoami --port=80 --log=/dev/stdout";
    let tasks = swarm.create_service("web", web)?;
    println!("tasks in {:?}", begun.elapsed());
    let client = swarm.cluster().client();
    for task in &tasks {
        let to = std::net::SocketAddrV4::new(swarm.cluster().address(&task.node), 8080);
        let session = TcpSession::open(&client.ns, to, 0)?;
        assert_eq!(session.first().task_name(), task.answers_as());
        assert_eq!(session.first().peer, Some(session.local()), "host mode keeps the client");
        assert!(swarm.task_log(task)?.contains(&session.local().to_string()));
        assert!(swarm.task_ns(task)?.path().exists());
    }
    swarm.engine("n3").kill()?;
    let prefix = swarm.cluster().prefix().clone();
    println!("asked in {:?}", begun.elapsed());
    drop(swarm);
    println!("removed in {:?}", begun.elapsed());
    assert_eq!(leftovers(&prefix)?, Vec::<std::path::PathBuf>::new());
    Ok(())
}
