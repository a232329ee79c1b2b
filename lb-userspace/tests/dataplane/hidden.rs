//! Programs on interfaces in a namespace that is not the caller's.

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use lb_userspace::{
    dataplane::{HiddenEnd, detach},
    host::netns::Namespace,
    model::Netns,
};

use crate::bed::{self, Bed};

/// A namespace named by a file of its own, with a bridge and ends of overlay legs; goes when dropped.
struct Hidden {
    name: String,
}

impl Hidden {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("1-slb{}x{count}", std::process::id());
        assert!(Command::new("ip").args(["netns", "add", &name]).status().expect("ip").success());
        let hidden = Self { name };
        hidden.ip("link add br0 type bridge");
        hidden.add("veth0");
        hidden
    }

    fn add(&self, end: &str) {
        self.ip(&format!("link add {end} type veth peer name task-{end}"));
    }

    fn ip(&self, arguments: &str) {
        let command = ["-n", &self.name].into_iter().chain(arguments.split(' '));
        assert!(Command::new("ip").args(command).status().expect("ip").success(), "{arguments}");
    }

    fn open(&self) -> Namespace {
        let path = PathBuf::from("/run/netns").join(&self.name);
        Namespace::open(&Netns::Path(path)).expect("there")
    }

    fn links(&self, bed: &Bed) -> Vec<String> {
        let dir = std::fs::read_dir(bed.pin("links")).expect("pinned");
        let names =
            dir.map(|entry| entry.expect("read").file_name().to_string_lossy().into_owned());
        let mut own: Vec<_> = names.filter(|name| name.contains(&self.name)).collect();
        own.sort_unstable();
        own
    }

    /// Programs that `bpftool` would show: asked of the interface itself.
    fn is_linked(&self, bed: &Bed, done: &BTreeSet<HiddenEnd>) -> usize {
        let mut dataplane = bed.open().expect("opened");
        dataplane.check_vips(&self.name, &self.open(), done).expect("asked").len()
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        drop(Command::new("ip").args(["netns", "del", &self.name]).status());
    }
}

fn names(ends: &BTreeSet<HiddenEnd>) -> Vec<&str> {
    ends.iter().map(|end| end.interface.as_str()).collect()
}

#[test]
fn ends_of_overlay_legs_get_both_programs_once_and_new_ones_in_place() {
    bed::run(|bed| {
        let hidden = Hidden::new();
        let mut done = BTreeSet::new();
        for links in [2, 2] {
            let mut dataplane = bed.open().expect("opened");
            let ends = dataplane.attach_vips(&hidden.name, &hidden.open(), &BTreeSet::new());
            let ends = ends.expect("attached");
            assert!(ends.problems.is_empty(), "{:?}", ends.problems);
            assert_eq!((ends.links.len(), names(&ends.attached)), (links, vec!["veth0"]));
            done = ends.attached;
        }
        let again = bed.open().expect("opened").attach_vips(&hidden.name, &hidden.open(), &done);
        assert!(again.expect("asked").links.is_empty(), "was done before");
        let name = &hidden.name;
        let pins = [format!("hidden-tcx-{name}-veth0"), format!("hidden-tcxe-{name}-veth0")];
        assert_eq!(hidden.links(bed), pins);
        assert_eq!(hidden.is_linked(bed, &done), 1);
    });
}

#[test]
fn an_interface_made_anew_under_an_old_name_is_another_one() {
    bed::run(|bed| {
        let hidden = Hidden::new();
        let mut dataplane = bed.open().expect("opened");
        let attach = |dataplane: &mut lb_userspace::dataplane::Dataplane, done: &BTreeSet<_>| {
            dataplane.attach_vips(&hidden.name, &hidden.open(), done).expect("attached")
        };
        let first = attach(&mut dataplane, &BTreeSet::new()).attached;
        hidden.ip("link del veth0");
        hidden.add("veth0");
        hidden.add("veth1");
        let second = attach(&mut dataplane, &first);
        assert_eq!((second.links.len(), names(&second.attached)), (4, vec!["veth0", "veth1"]));
        hidden.ip("link del veth1");
        let left = dataplane.check_vips(&hidden.name, &hidden.open(), &second.attached);
        assert_eq!(names(&left.expect("asked")), ["veth0"]);
        assert_eq!(hidden.links(bed).len(), 2);
    });
}

#[test]
fn links_of_a_namespace_that_is_gone_are_removed() {
    bed::run(|bed| {
        let (kept, gone) = (Hidden::new(), Hidden::new());
        let mut dataplane = bed.open().expect("opened");
        for hidden in [&kept, &gone] {
            let namespace = hidden.open();
            dataplane.attach_vips(&hidden.name, &namespace, &BTreeSet::new()).expect("attached");
        }
        let name = gone.name.clone();
        drop(gone);
        let removed = dataplane.retain_vips(&[kept.name.clone()].into()).expect("removed");
        assert_eq!(removed.len(), 2);
        assert!(removed.iter().all(|link| link.contains(&name)), "{removed:?}");
        assert_eq!(kept.links(bed).len(), 2);
    });
}

#[test]
fn detach_reaches_into_hidden_namespaces() {
    bed::run(|bed| {
        let hidden = Hidden::new();
        let mut dataplane = bed.open().expect("opened");
        let namespace = hidden.open();
        let done =
            dataplane.attach_vips(&hidden.name, &namespace, &BTreeSet::new()).expect("attached");
        drop(dataplane);
        assert_eq!(detach(bed.root()).expect("detached").links.len(), 2);
        assert_eq!(hidden.is_linked(bed, &done.attached), 0, "its programs are gone");
    });
}

/// A file that no longer names a namespace must not keep anything from being removed.
#[test]
fn an_empty_file_is_no_namespace() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("1-left");
    OpenOptions::new().create_new(true).write(true).open(&path).expect("made");
    let error = Namespace::open(&Netns::Path(path)).expect_err("no namespace");
    assert!(error.is_missing_namespace(), "{error}");
}
