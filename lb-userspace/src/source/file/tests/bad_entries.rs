//! Bad input within an entry: syntax, unknown and missing keys, types, ranges, names.

use super::{parsed, refused, refuses_file, service, task};

refused! {
    no_toml: "[[service] #!" => ["no valid TOML"];
    a_key_twice: "[[node]]\nname = \"n3\"\nname = \"n4\" #!" => ["no valid TOML", "duplicate key"];

    unknown_table: "[[servce]] #!" => ["servce: unknown key", "did you mean \"service\"?"];
    unknown_cluster_key: "[cluster]\nvxlan = 1 #!" => ["[cluster], vxlan: unknown key", "vxlan_port"];
    unknown_node_key: "[[node]]\nname = \"n3\"\naddress = \"198.18.0.3\"\nadress = 1 #!"
        => ["node \"n3\", adress: unknown key", "did you mean \"address\"?"];
    unknown_network_key: "vlan = 1 #!" => ["network \"net\", vlan: unknown key", "use one of: name, subnet, vni, gateway, subnets, range, internal, mtu"];
    unknown_service_key: service("web", "network = [\"net\"] #!")
        => ["service \"web\", network: unknown key", "did you mean \"networks\"?"];
    unknown_publish_key: service("web", "publish = [{ published = 80, target = 80, proto = \"tcp\" }] #!")
        => ["service \"web\", publish[0].proto: unknown key", "did you mean \"protocol\"?"];
    unknown_task_key: service("web", &task("web.1", "n1", "wieght = 1 #!"))
        => ["service \"web\", task \"web.1\", wieght: unknown key", "did you mean \"weight\"?"];

    node_without_name: "[[node]] #!\naddress = \"198.18.0.3\"" => ["node[2]: name is missing", "add name"];
    node_without_address: "[[node]] #!\nname = \"n3\"" => ["node \"n3\": address is missing"];
    network_without_name: "[[network]] #!" => ["network[1]: name is missing"];
    service_without_name: "[[service]] #!" => ["service[0]: name is missing"];
    task_without_name: "[[service]]\nname = \"web\"\n[[service.task]] #!\nnode = \"n1\"\nnetns = \"x\""
        => ["service \"web\", task[0]: name is missing"];
    task_without_node: "[[service]]\nname = \"web\"\n[[service.task]] #!\nname = \"web.1\"\nnetns = \"x\""
        => ["task \"web.1\": node is missing"];
    task_without_netns: "[[service]]\nname = \"web\"\n[[service.task]] #!\nname = \"web.1\"\nnode = \"n1\""
        => ["task \"web.1\": netns is missing"];
    publish_without_published: service("web", "publish = [{ target = 80 }] #!")
        => ["publish[0]: published is missing"];
    publish_without_target: service("web", "publish = [{ published = 80 }] #!")
        => ["publish[0]: target is missing"];

    number_for_a_string: "[[node]]\nname = \"n3\"\naddress = 5 #!" => ["type integer", "string in quotes"];
    string_for_a_number: "[cluster]\nhold_ms = \"300\" #!" => ["type string", "write a whole number"];
    string_for_a_flag: "internal = \"yes\" #!" => ["internal", "write true or false"];
    string_for_a_list: service("web", "networks = \"net\" #!") => ["networks", "write a list of strings"];
    number_in_a_list_of_strings: service("web", "networks = [1] #!") => ["networks[0]", "string in quotes"];
    table_for_a_list: service("web", "publish = { published = 80, target = 80 } #!")
        => ["publish", "write a list of tables"];
    number_in_a_list_of_tables: service("web", "publish = [80] #!") => ["publish[0]", "write a table"];
    string_for_addresses: service("web", &task("web.1", "n1", "addresses = \"10.1.0.2\" #!"))
        => ["addresses", "table of addresses by network"];
    list_for_the_cluster: "cluster = 1 #!" => ["cluster: unknown key"];

    unknown_mode: service("web", "mode = \"vips\" #!") => ["\"vips\" is not known", "did you mean \"vip\"?"];
    unknown_scheduler: service("web", "scheduler = \"wrr\" #!") => ["\"wrr\"", "rr"];
    unknown_affinity: service("web", "affinity = \"client\" #!") => ["did you mean \"client-ip\"?"];
    unknown_return: service("web", "return = \"dsr\" #!") => ["use one of: tunnel, direct"];
    unknown_protocol: service("web", "publish = [{ published = 80, target = 80, protocol = \"sctp\" }] #!")
        => ["publish[0].protocol", "\"sctp\" is not known"];
    unknown_publish_mode: service("web", "publish = [{ published = 80, target = 80, mode = \"hosts\" }] #!")
        => ["publish[0].mode", "did you mean \"host\"?"];

    published_zero: service("web", "publish = [{ published = 0, target = 80 }] #!")
        => ["publish[0].published: 0 is out of range", "from 1 to 65535"];
    target_too_large: service("web", "publish = [{ published = 80, target = 65536 }] #!")
        => ["publish[0].target: 65536 is out of range"];
    vxlan_port_privileged: "[cluster]\nvxlan_port = 80 #!" => ["80 is out of range", "from 1024 to 49151"];
    mesh_vni_without_room_for_replies: "[cluster]\nmesh_vni = 4095 #!" => ["from 1 to 4094"];
    mesh_vni_zero: "[cluster]\nmesh_vni = 0 #!" => ["from 1 to 4094"];
    hold_negative: "[cluster]\nhold_ms = -1 #!" => ["-1 is out of range", "from 0 to 60000"];
    weight_too_large: service("web", &task("web.1", "n1", "weight = 1001 #!"))
        => ["1001 is out of range", "from 0 to 1000"];
    number_zero: service("web", &task("web.1", "n1", "number = 0 #!")) => ["from 1 to 65535"];
    netns_relative: "[[service]]\nname = \"web\"\n[[service.task]]\nname = \"web.1\"\nnode = \"n1\"\nnetns = \"a/b\" #!"
        => ["\"a/b\" names no network namespace", "absolute path"];

    name_empty: "[[service]]\nname = \"\" #!" => ["the name is empty"];
    name_too_long: format!("[[service]]\nname = \"{}\" #!", "x".repeat(64)) => ["64 bytes", "at most 63"];
    name_with_a_space: "[[service]]\nname = \"a b\" #!" => ["contains ' '", "letters, digits"];
    name_with_an_umlaut: "[[network]]\nname = \"n\u{e4}\" #!" => ["contains '\u{e4}'"];
    host_mode_name_too_long: format!(
        "[[service]]\nname = \"{}\" #!\npublish = [{{ published = 80, target = 80, mode = \"host\" }}]",
        "x".repeat(49)
    ) => ["host-mode ports has 49 bytes", "at most 48"];
    interface_with_a_slash: "[[node]]\nname = \"n3\"\naddress = \"198.18.0.3\"\ninterfaces = [\"a/b\"] #!"
        => ["interfaces[0]", "cannot be the name of an interface"];
    interface_twice: "[[node]]\nname = \"n3\"\naddress = \"198.18.0.3\"\ninterfaces = [\"e\", \"e\"] #!"
        => ["interfaces[1]", "listed twice"];

    name_with_a_dot_at_the_end: "[[service]]\nname = \"web.\" #!" => ["service \"web.\", name: \"web.\" is no host name", "no '.' or '-' at an end"];
    name_with_two_dots: service("web", "") + "[[service.task]]\nname = \"web..1\" #!\nnode = \"n1\"\nnetns = \"a\""
        => ["task \"web..1\", name: \"web..1\" is no host name"];
    name_with_a_hyphen_at_a_labels_end: "[[network]]\nname = \"back-.end\" #!" => ["\"back-.end\" is no host name"];
    name_like_an_address: "[[service]]\nname = \"10.0.0.1\" #!" => ["\"10.0.0.1\" reads as an address", "begin it with a letter"];
    name_tasks: "[[service]]\nname = \"Tasks.web\" #!" => ["\"Tasks.web\" means all tasks of a service in names"];
    name_localhost: "[[service]]\nname = \"localhost\" #!" => ["\"localhost\" means every task itself"];
    names_that_differ_by_case: service("web", "") + "[[service]]\nname = \"WEB\" #!"
        => ["service \"WEB\", name: a service is called \"web\" in line 13, too", "rename one of them"];
    networks_that_differ_by_case: "[[network]]\nname = \"Net\" #!\nsubnet = \"10.2.0.0/24\""
        => ["network \"Net\", name: a network is called \"net\" in line 9, too"];
    a_service_and_a_task_of_one_name: service("web", "") + "[[service.task]]\nname = \"web\" #!\nnode = \"n1\"\nnetns = \"a\""
        => ["task \"web\", name: a service is called \"web\" in line 13, too", "names do not tell them apart"];
    a_task_called_like_a_service_in_a_network: service("web", "networks = [\"net\"]") + "[[service.task]]\nname = \"web.net\" #!\nnode = \"n1\"\nnetns = \"a\""
        => ["task \"web.net\", name: \"web.net\" is also service \"web\" (line 13) in network \"net\""];
    vip_name_too_long: format!("[[service]]\nname = \"{}\" #!\nnetworks = [\"net\"]", "x".repeat(60))
        => ["the service and of network \"net\" have 63 bytes together", "at most 62"];

    node_twice: "[[node]]\nname = \"n1\" #!\naddress = \"198.18.0.3\""
        => ["node \"n1\", name: a node of this name is already defined in line 3"];
    network_twice: "[[network]]\nname = \"net\" #!\nsubnet = \"10.2.0.0/24\""
        => ["a network of this name is already defined in line 9"];
    service_twice: "[[service]]\nname = \"web\"\n[[service]]\nname = \"web\" #!"
        => ["a service of this name is already defined in line 12"];
    service_twice_in_a_network: "[[service]]\nname = \"web\"\nnetworks = [\"net\"]\n[[service]]\nname = \"web\" #!\nnetworks = [\"net\"]"
        => ["a service of this name is already defined in line 12"];
    task_twice_in_a_service: service("web", &task("t", "n1", "")) + "[[service.task]]\nname = \"t\" #!\nnode = \"n1\"\nnetns = \"b\""
        => ["a task of this name is already defined in line 15"];
    task_twice_in_two_services: "[[service]]\nname = \"web\"\n[[service.task]]\nname = \"t\"\nnode = \"n1\"\nnetns = \"a\"\n\
        [[service]]\nname = \"api\"\n[[service.task]]\nname = \"t\" #!\nnode = \"n1\"\nnetns = \"b\""
        => ["a task of this name is already defined in line 14"];
    namespace_twice_on_a_node: "[[service]]\nname = \"web\"\n[[service.task]]\nname = \"a\"\nnode = \"n1\"\nnetns = \"x\"\n\
        [[service.task]]\nname = \"b\"\nnode = \"n1\"\nnetns = \"/run/netns/x\" #!"
        => ["already that of service \"web\", task \"a\" (line 16)"];
    service_with_a_network_twice: service("web", "networks = [\"net\", \"net\"] #!") => ["listed twice"];

    unknown_node: service("web", "[[service.task]]\nname = \"t\"\nnode = \"n3\" #!\nnetns = \"t\"")
        => ["task \"t\", node: there is no node \"n3\"", "use one of: n1, n2"];
    unknown_network: service("web", "networks = [\"mongo\"] #!")
        => ["networks[0]: there is no network \"mongo\"", "use one of: net"];

    seed_empty: "[cluster]\nseed = \"\" #!" => ["the seed is empty"];
    seed_and_seed_file: "[cluster]\nseed = \"a\"\nseed_file = \"b\" #!" => ["both given", "remove one"];
    seed_file_unreadable: "[cluster]\nseed_file = \"b\" #!" => ["cannot read \"b\"", "relative to the cluster file"];
}

#[test]
fn no_node() {
    refuses_file("#!", &["the file names no node", "add a [[node]]"]);
}

#[test]
fn too_many_nodes() {
    let node = |i: usize| {
        let mark = if i == 1023 { "#!" } else { "" };
        format!(
            "[[node]]\nname = \"n{i}\" {mark}\naddress = \"198.18.{}.{}\"\n",
            i / 200,
            1 + i % 200
        )
    };
    let file: String = (0..1024).map(node).collect();
    refuses_file(&file, &["node \"n1023\"", "at most 1023 nodes"]);
}

#[test]
fn all_errors_come_at_once_and_by_line() {
    let text = "[cluster]\nhold_ms = -1\nfoo = 1\n[[node]]\nname = \"n1\"\n\
                [[service]]\nname = \"a b\"\nmode = \"x\"\n[[service.task]]\nname = \"t\"\nnode = \"n9\"\n";
    let errors = parsed(text).unwrap_err();
    let lines: Vec<_> = errors.errors.iter().filter_map(|error| error.line).collect();
    assert_eq!(lines, [2, 3, 4, 7, 8, 9, 11], "{errors}");
}

#[test]
fn an_error_reads_as_file_line_field_message_and_fix() {
    let text = service("api", "publish = [{ published = 80, target = 80 }]")
        + &service("web", "publish = [{ published = 80, target = 8080 }]");
    assert_eq!(
        super::parsed_with_base(&text).unwrap_err().to_string(),
        "cluster.toml:18: service \"web\", publish[0].published: port 80/tcp is already published \
         by service \"api\" (line 14); choose another port or remove one"
    );
}
