//! Bad input about names: the `[dns]` table and aliases.

use super::{refused, service};

refused! {
    dns_is_no_table: "[[node]]\nname = \"n3\"\naddress = \"198.18.0.3\"\n[[dns]] #!" => ["does not fit here", "write a table"];
    unknown_dns_key: "[dns]\nupstreams = [] #!" => ["[dns], upstreams: unknown key", "did you mean \"upstream\"?"];
    enabled_is_no_flag: "[dns]\nenabled = \"no\" #!" => ["[dns], enabled", "true or false"];
    resolv_conf_is_no_flag: "[dns]\nresolv_conf = 1 #!" => ["[dns], resolv_conf", "true or false"];
    upstream_is_no_list: "[dns]\nupstream = \"1.1.1.1\" #!" => ["[dns], upstream", "list of strings"];
    upstream_is_a_name: "[dns]\nupstream = [\"dns.example\"] #!"
        => ["[dns], upstream[0]: \"dns.example\" is no name server", "10.0.0.2:5353"];
    upstream_port_zero: "[dns]\nupstream = [\"1.1.1.1:0\"] #!" => ["upstream[0]", "cannot be asked"];
    upstream_nowhere: "[dns]\nupstream = [\"1.1.1.1\", \"0.0.0.0\"] #!" => ["upstream[1]", "cannot be asked"];
    upstream_is_ours: "[dns]\nupstream = [\"127.0.0.11\"] #!" => ["upstream[0]", "asks swarmlb itself", "name the servers"];
    upstream_too_many: "[dns]\nupstream = [\"1.1.1.1\", \"1.1.1.2\", \"1.1.1.3\", \"1.1.1.4\"] #!"
        => ["upstream[3]", "more than 3", "at most 3"];
    ndots_too_large: "[dns]\nndots = 16 #!" => ["[dns], ndots: 16 is out of range", "from 0 to 15"];
    search_with_a_blank: "[dns]\nsearch = [\"corp example\"] #!" => ["search[0]", "no domain name", "corp.example"];
    search_with_an_empty_label: "[dns]\nsearch = [\"corp..example\"] #!" => ["search[0]", "no domain name"];
    search_too_many: "[dns]\nsearch = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\"] #!" => ["search[6]", "at most 6"];
    alias_spelling: service("web", "aliases = [\"w w\"] #!") => ["aliases[0]", "contains ' '"];
    alias_that_is_no_host_name: service("web", "aliases = [\"www.\"] #!") => ["service \"web\", aliases[0]: \"www.\" is no host name"];
    alias_of_all_tasks: service("web", "aliases = [\"tasks.api\"] #!") => ["\"tasks.api\" means all tasks of a service"];
    alias_twice: service("web", "aliases = [\"w\", \"w\"] #!") => ["aliases[1]", "listed twice"];
}
