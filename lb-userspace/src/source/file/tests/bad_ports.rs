//! Bad input across services: published ports that conflict, options that contradict.

use super::{parsed_with_base, refused, service, task};

const INGRESS: &str = "publish = [{ published = 80, target = 8080 }]";
const HOST: &str = "publish = [{ published = 80, target = 8080, mode = \"host\" }]";

fn marked(line: &str) -> String {
    format!("{line} #!")
}

refused! {
    ingress_and_ingress: service("api", INGRESS) + &service("web", &marked(INGRESS))
        => ["service \"web\", publish[0].published: port 80/tcp is already published by service \"api\" (line 14)"];
    one_service_twice: service("web", "publish = [{ published = 80, target = 1 }, { published = 80, target = 2 }] #!")
        => ["publish[1].published: port 80/tcp is already published by service \"web\""];
    ingress_and_host: service("api", INGRESS) + &service("web", &marked(HOST)) + &task("web.1", "n1", "")
        => ["port 80/tcp is already published by service \"api\" (line 14)"];
    host_and_ingress: service("api", HOST) + &task("api.1", "n2", "") + &service("web", &marked(INGRESS))
        => ["port 80/tcp is already published by service \"api\" (line 14)"];
    host_and_host_on_a_node: service("api", HOST) + &task("api.1", "n1", "") + &service("web", &marked(HOST)) + &task("web.1", "n1", "")
        => ["port 80/tcp is already published by service \"api\" (line 14)"];
    two_tasks_of_a_host_mode_service_on_a_node: service("web", HOST) + &task("web.1", "n1", "")
        + "[[service.task]]\nname = \"web.2\"\nnode = \"n1\" #!\nnetns = \"b\"\n"
        => ["task \"web.2\", node: a second task on node \"n1\"", "80/tcp"];
    dnsrr_and_ingress: service("web", "mode = \"dnsrr\"\npublish = [{ published = 80, target = 80 }] #!")
        => ["publish[0]: a service with mode = \"dnsrr\" cannot publish in ingress mode", "mode = \"host\""];
    port_of_the_tunnel: service("web", "publish = [{ published = 4789, target = 80, protocol = \"udp\" }] #!")
        => ["port 4789/udp is the tunnel's own"];
    affinity_with_rr: service("web", "scheduler = \"rr\"\naffinity = \"client-ip\" #!") => ["affinity contradicts scheduler"];
}

#[test]
fn one_port_for_tcp_and_udp_is_no_conflict() {
    let udp = "publish = [{ published = 80, target = 80, protocol = \"udp\" }]";
    assert!(parsed_with_base(&(service("api", INGRESS) + &service("web", udp))).is_ok());
}

#[test]
fn host_mode_ports_on_different_nodes_are_no_conflict() {
    let web = service("web", HOST) + &task("web.1", "n1", "");
    let api = service("api", HOST) + &task("api.1", "n2", "");
    assert!(parsed_with_base(&(web + &api)).is_ok());
}
