//! Events as hints: which questions have a new answer after one. No event tells of a task on another
//! node (moby publishes none), so hints shorten the wait and never replace asking. Only that a
//! container ends, or is about to, is believed at once.

use bollard::models::{EventMessage, EventMessageScopeEnum as Scope, EventMessageTypeEnum as Type};

/// What the engine says of a container whose health check fails: the Swarm stops its task.
const UNHEALTHY: &str = "health_status: unhealthy";
/// Signals that end a container: SIGTERM and SIGKILL. Others may mean anything, as SIGQUIT does.
const ENDING: [&str; 2] = ["15", "9"];

/// What an event may have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    /// The node's containers, legs and namespaces.
    pub(super) local: bool,
    /// Tasks.
    pub(super) tasks: bool,
    /// Services, nodes, networks of the Swarm.
    pub(super) swarm: bool,
    /// The node's place in the Swarm.
    pub(super) place: bool,
}

/// What `event` may have changed.
pub(super) fn of(event: &EventMessage) -> Hint {
    let action = event.action.as_deref().unwrap_or_default();
    if event.scope == Some(Scope::SWARM) {
        let place = event.typ == Some(Type::NODE);
        return Hint { swarm: true, tasks: true, place, local: false };
    }
    let local = match event.typ {
        Some(Type::CONTAINER) => {
            matches!(action, "start" | "die" | "kill" | "pause" | "unpause" | UNHEALTHY)
        }
        Some(Type::NETWORK) => true,
        _ => false,
    };
    Hint { local, tasks: local, ..Hint::default() }
}

/// The id of the container that has ended. The engine has let go of its legs by then and has noted
/// the end, but may be asked only a while later.
pub(super) fn ended(event: &EventMessage) -> Option<&str> {
    let is_end = event.typ == Some(Type::CONTAINER) && event.action.as_deref() == Some("die");
    event.actor.as_ref().filter(|_| is_end)?.id.as_deref()
}

/// The id of the task that is about to end: its container got a signal, or fails its health check.
/// In the Swarm's own way a task drains for two seconds by then; by `docker stop` it does not.
pub(super) fn stopping(event: &EventMessage) -> Option<&str> {
    let is_container = event.typ == Some(Type::CONTAINER);
    let attributes = event.actor.as_ref().filter(|_| is_container)?.attributes.as_ref()?;
    let signal = || attributes.get("signal").is_some_and(|signal| ENDING.contains(&&**signal));
    match event.action.as_deref()? {
        "kill" if signal() => task(event),
        UNHEALTHY => task(event),
        _ => None,
    }
}

/// The id of the task that an event is about.
pub(super) fn task(event: &EventMessage) -> Option<&str> {
    let attributes = event.actor.as_ref()?.attributes.as_ref()?;
    attributes.get("com.docker.swarm.task.id").map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(text: &str) -> Hint {
        of(&serde_json::from_str(text).expect("an event"))
    }

    const DIED: &str = r#"{"status":"die","id":"f","from":"whoami:1","Type":"container",
        "Action":"die","Actor":{"ID":"f","Attributes":{"com.docker.swarm.task.id":"t",
        "exitCode":"137","image":"whoami:1"}},
        "scope":"local","time":1795433180,"timeNano":1795433180123456789}"#;

    #[test]
    fn a_container_that_died_is_local_news() {
        assert_eq!(hint(DIED), Hint { local: true, tasks: true, ..Hint::default() });
        let event: EventMessage = serde_json::from_str(DIED).expect("an event");
        assert_eq!((ended(&event), task(&event)), (Some("f"), Some("t")));
        let event: EventMessage =
            serde_json::from_str(&DIED.replace("die", "start")).expect("an event");
        assert_eq!(ended(&event), None);
    }

    #[test]
    fn a_signal_that_ends_a_container_ends_its_task_and_another_one_does_not() {
        let stopping = |action: &str, signal: &str| {
            let text = DIED.replace("die", action).replace("exitCode", "signal");
            let event = serde_json::from_str(&text.replace("137", signal)).expect("an event");
            stopping(&event).map(ToOwned::to_owned)
        };
        let t = Some("t".to_owned());
        assert_eq!(stopping("kill", "15"), t);
        assert_eq!(stopping("kill", "3"), None);
        assert_eq!(stopping("health_status: unhealthy", ""), t);
        assert_eq!(stopping("health_status: healthy", ""), None);
        assert_eq!(stopping("die", "15"), None);
    }

    #[test]
    fn a_health_check_is_none() {
        let event = r#"{"Type":"container","Action":"exec_start: /bin/check","scope":"local"}"#;
        assert_eq!(hint(event), Hint::default());
    }

    #[test]
    fn a_service_is_the_swarms() {
        let event = r#"{"Type":"service","Action":"update","Actor":{"ID":"s","Attributes":
            {"name":"whoami","replicas.new":"5","replicas.old":"3"}},"scope":"swarm"}"#;
        assert_eq!(hint(event), Hint { tasks: true, swarm: true, ..Hint::default() });
    }

    #[test]
    fn a_node_may_be_this_one() {
        let event = r#"{"Type":"node","Action":"update","scope":"swarm"}"#;
        assert!(hint(event).place);
    }
}
