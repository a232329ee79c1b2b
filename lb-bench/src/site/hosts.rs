//! The part of a site that others serve: the kernel's forwarding, DNAT, bridge and vxlan, and proxies.

use std::{fs, net::Ipv4Addr, process::Command};

use anyhow::{Context as _, Result};
use lb_testbed::{Cluster, Host, KernelNetwork, Ns, in_ns};

use super::{HAPROXY, NGINX, SERVER, Server};

/// Address of the routed server.
pub(super) const ROUTED: Ipv4Addr = Ipv4Addr::new(10, 73, 1, 2);
/// Addresses of the tasks behind vxlan.
pub(super) const VXLAN: [Ipv4Addr; 2] =
    [Ipv4Addr::new(10, 72, 0, 11), Ipv4Addr::new(10, 72, 0, 12)];
/// Address of the task behind DNAT, and of the one behind proxies.
const BEHIND: Ipv4Addr = Ipv4Addr::new(10, 74, 0, 2);

/// Namespaces behind hosts.
#[derive(Debug)]
pub(super) struct Behind {
    /// A client and a server, between which a host forwards.
    pub(super) routed: (Ns, Ns),
    /// A client and a server on two hosts with the kernel's overlay.
    pub(super) vxlan: (Ns, Ns),
    /// Behind DNAT, behind proxies, and a host of its own.
    others: [Ns; 3],
}

impl Behind {
    pub(super) fn servers(&self) -> impl Iterator<Item = &Ns> {
        [&self.routed.1, &self.vxlan.1].into_iter().chain(&self.others)
    }
}

/// Makes them.
pub(super) fn make(cluster: &Cluster) -> Result<Behind> {
    let host = |number: usize| &cluster.clients()[number - 1];
    let network = KernelNetwork::new(5072, 24);
    let peers = [
        cluster.kernel_peer(host(1), "vx-a", network, VXLAN[0])?,
        cluster.kernel_peer(host(2), "vx-b", network, VXLAN[1])?,
    ];
    peers[0].learn(VXLAN[1], peers[1].mac(), host(2).address)?;
    peers[1].learn(VXLAN[0], peers[0].mac(), host(1).address)?;
    let dnat = behind(cluster, host(4), "dnat", Ipv4Addr::new(10, 74, 0, 1))?;
    let script = format!(
        "table ip bench {{ chain prerouting {{ type nat hook prerouting priority -100; \
         tcp dport {SERVER} dnat to jhash ip saddr . tcp sport mod 1 map {{ 0 : {BEHIND} }}; }}; }}"
    );
    nft(cluster, host(4), &script)?;
    let proxied = behind(cluster, host(5), "proxied", Ipv4Addr::new(10, 74, 0, 1))?;
    let routed = (
        behind(cluster, host(6), "routed-a", Ipv4Addr::new(10, 73, 0, 1))?,
        behind(cluster, host(6), "routed-b", Ipv4Addr::new(10, 73, 1, 1))?,
    );
    let [a, b] = peers;
    Ok(Behind { routed, vxlan: (a.task, b.task), others: [dnat, proxied, host(7).ns.clone()] })
}

/// A task behind a host that forwards: its address follows the host's on the leg.
fn behind(cluster: &Cluster, host: &Host, name: &str, gateway: Ipv4Addr) -> Result<Ns> {
    let task = cluster.task_ns(name)?;
    let address = Ipv4Addr::from(u32::from(gateway) + 1);
    let sh = |ns: &Ns, line: String| cluster.sh_in(ns, &line);
    sh(&host.ns, format!("ip link add {name} type veth peer name eth0 netns {}", task.name()))?;
    sh(&host.ns, format!("ip addr add {gateway}/24 dev {name}"))?;
    sh(&host.ns, format!("ip link set {name} up"))?;
    sh(&task, format!("ip addr add {address}/24 dev eth0"))?;
    sh(&task, "ip link set eth0 up".to_owned())?;
    sh(&task, format!("ip route add default via {gateway}"))?;
    in_ns(&host.ns, || fs::write("/proc/sys/net/ipv4/ip_forward", "1"))??;
    Ok(task)
}

fn nft(cluster: &Cluster, host: &Host, script: &str) -> Result<()> {
    let mut command = Command::new("nft");
    command.arg(script);
    let output = cluster.run_in(&host.ns, command)?;
    anyhow::ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Starts a server that ends with the cluster.
pub(super) fn serve(cluster: &Cluster, ns: &Ns, server: Server) -> Result<()> {
    let command = match server {
        Server::Iperf => {
            let mut command = Command::new("iperf3");
            command.args(["-s", "-p", &SERVER.to_string()]);
            command
        }
        Server::Http => {
            let body = "access_log off; keepalive_requests 1000000000; \
                        server { listen 8000 backlog=4096; location / { return 200 \"ok\\n\"; } }";
            nginx(cluster, ns.name(), &format!("http {{ {body} }}"), "")?
        }
    };
    cluster.spawn_in(ns, command)?;
    Ok(())
}

/// nginx in the foreground with this part of a configuration; `load` comes first.
fn nginx(cluster: &Cluster, name: &str, part: &str, load: &str) -> Result<Command> {
    let dir = cluster.dir().join(format!("nginx-{name}"));
    fs::create_dir_all(dir.join("logs"))
        .with_context(|| format!("cannot make {}", dir.display()))?;
    let config = format!(
        "{load}\nuser root; daemon off; worker_processes 1; pid {}/pid; error_log stderr;\n\
         events {{ worker_connections 8192; }}\n{part}\n",
        dir.display()
    );
    let file = dir.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&dir).arg("-c").arg(&file).args(["-e", "stderr"]);
    Ok(command)
}

/// Starts the proxies on their host.
pub(super) fn proxies(cluster: &Cluster) -> Result<()> {
    let host = &cluster.clients()[4];
    let config = format!(
        "global\n nbthread 1\n maxconn 8192\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n \
         timeout server 60s\nfrontend in\n bind 0.0.0.0:{HAPROXY}\n default_backend out\nbackend out\n \
         server one {BEHIND}:{SERVER}\n"
    );
    let file = cluster.dir().join("haproxy.cfg");
    fs::write(&file, config)?;
    let mut haproxy = Command::new("haproxy");
    haproxy.arg("-db").arg("-f").arg(&file);
    cluster.spawn_in(&host.ns, haproxy).context("cannot run haproxy: apt-get install haproxy")?;
    let stream = format!(
        "stream {{ server {{ listen {NGINX} backlog=4096; proxy_pass {BEHIND}:{SERVER}; }} }}"
    );
    let load = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;";
    let nginx = nginx(cluster, "stream", &stream, load)?;
    let started = cluster.spawn_in(&host.ns, nginx);
    started.context("cannot run nginx: apt-get install nginx-light libnginx-mod-stream")?;
    Ok(())
}
