//! Loads by the whole program: its memory, its document, and limits and delays of its own machine.

#[cfg(target_os = "linux")]
use std::process::Stdio;
use std::time::Duration;

use crate::support::cli_case::CliCase;
#[cfg(target_os = "linux")]
use crate::support::echo_server::EchoServer;
use crate::support::misbehaving_server::MisbehavingServer;
#[cfg(target_os = "linux")]
use crate::support::misbehaving_server::Reply;

/// Peak memory in kB of a program that runs a load: a process of its own, as its peak is that of all its threads.
#[cfg(target_os = "linux")]
fn peak_of_load(values: &[&str]) -> u64 {
    let cli = CliCase::new();
    let mut command = cli.command();
    command.arg("run").args(["tasks={http}", "http.qps=max"].iter().chain(values).flat_map(|value| ["--set", *value]));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        // An exited process has no memory statistics.
        if let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            peak = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        }
        match child.try_wait().unwrap() {
            Some(ended) => break ended,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    assert!(ended.success() && peak > 0, "{ended}");
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_number_of_requests() {
    let url = format!("http.url={}", EchoServer::plain().url());
    let peak = |count: &str| peak_of_load(&[&url, "http.connections=16", &format!("http.numRequests={count}")]);
    let (few, many) = (peak("10000"), peak("150000"));
    // A kept record of 100 bytes per request would be 14 MB.
    assert!(many < few + 6_000, "peak memory grew from {few} to {many} kB");
}

#[cfg(target_os = "linux")]
#[test]
fn a_connection_that_waits_has_no_read_buffer() {
    let url = format!("http.url={}", EchoServer::plain().url());
    let peak =
        |connections: u64| peak_of_load(&[&url, "http.numRequests=8000", &format!("http.connections={connections}")]);
    let (few, many) = (peak(100), peak(2_100));
    let each = many.saturating_sub(few) / 2_000;
    assert!(each < 10, "{each} kB per connection: the peak grew from {few} to {many} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_shows_in_the_document_of_the_program() {
    // 10,000 requests, 1,000 of them due within the stall: 100 (1 %) wait longer than 900 ms.
    let server = MisbehavingServer::stalling(Duration::from_secs(1), Duration::from_secs(2));
    let url = format!("http.url={}", server.url());
    let output = tokio::task::spawn_blocking(move || {
        let cli = CliCase::new();
        let values = ["tasks={http}", &url, "http.qps=1000", "http.numRequests=10000", "http.connections=10"];
        cli.run(["run"].into_iter().chain(values.into_iter().flat_map(|value| ["--set", value]))).exits(0);
        cli.document()
    });
    let document = output.await.unwrap();
    let values = &document["result"]["insights"]["nonHistMetricValues"][0];
    let at = |name: &str| values[name][0].as_f64().unwrap_or_else(|| panic!("{name}: {values}"));
    let (latency, service) = (at("http/latency-p99"), at("http/service-time-p99"));
    assert_eq!(at("http/request-count"), 10_000.0);
    // 2 % below the truth at most; a busy machine adds to delays and never takes from them.
    assert!(latency > 882.0 && latency < 1_150.0, "p99 {latency} ms");
    assert!(service < 300.0, "p99 of the service time {service} ms");
}

#[cfg(target_os = "linux")]
#[test]
fn limits_of_this_machine_are_not_charged_to_the_service() {
    let server = MisbehavingServer::scripted(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Reply::ok("ok")
    });
    let url = format!("http.url={}", server.url());
    let slo = "assess.SLOs.upper.http/error-rate=0.01";
    let values = ["tasks={http,assess}", &url, "http.qps=max", "http.numRequests=400", "http.connections=100", slo];
    for (limit, code) in [("-Sn", 0), ("-n", 5)] {
        let cli = CliCase::new();
        let mut command = cli.command();
        let program = command.get_program().to_owned();
        let mut limited = std::process::Command::new("sh");
        limited
            .current_dir(command.get_current_dir().unwrap())
            .arg("-c")
            .arg(format!("ulimit {limit} 80; exec \"$@\""));
        command = limited;
        command.arg("sh").arg(program).arg("run").args(values.iter().flat_map(|value| ["--set", *value]));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let verdict = cli.run(["assert", "-c", "slos"]);
        verdict.exits(code);
        if code != 0 {
            let reason = "requests could not be sent: the load generator ran out of files, ports or memory";
            assert!(verdict.stdout.contains(reason), "{verdict:#?}");
            let notes = String::from_utf8_lossy(&output.stderr);
            assert!(notes.contains("client-limit ×") && notes.contains("use fewer `connections`"), "{notes}");
        }
    }
}

/// Code of `assert` and verdict of a load of 1,000 requests in 2 s whose p95 must be below 30 ms. `disturb` gets the running program.
#[cfg(target_os = "linux")]
fn judged(server: &MisbehavingServer, disturb: impl FnOnce(rustix::process::Pid)) -> (Option<i32>, String) {
    let cli = CliCase::new();
    let url = format!("http.url={}", server.url());
    let slo = "assess.SLOs.upper.http/latency-p95=30";
    let values = ["tasks={http,assess}", &url, "http.qps=500", "http.numRequests=1000", "http.connections=10", slo];
    let mut command = cli.command();
    command.arg("run").args(values.iter().flat_map(|value| ["--set", *value]));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    disturb(rustix::process::Pid::from_child(&child));
    child.wait().unwrap();
    let verdict = cli.run(["assert", "-c", "slos"]);
    (verdict.code, verdict.stdout)
}

/// Suspends a program in the middle of its load.
#[cfg(target_os = "linux")]
fn suspend(program: rustix::process::Pid, server: &MisbehavingServer, pause: Duration) {
    use rustix::process::{Signal, kill_process};
    server.wait_for_requests(300);
    kill_process(program, Signal::STOP).unwrap();
    // As long as the stall of a server that is compared: nothing else ends it.
    std::thread::sleep(pause);
    kill_process(program, Signal::CONT).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_violation_by_delays_of_the_program_itself_is_inconclusive() {
    let pause = Duration::from_millis(400);
    let server = MisbehavingServer::always(Reply::ok("ok"));
    let stopped = judged(&server, |program| suspend(program, &server, pause));
    assert_eq!(stopped.0, Some(5), "{}", stopped.1);
    assert!(stopped.1.contains("late although a connection was free"), "{}", stopped.1);
    // The same delay by the service.
    let server = MisbehavingServer::stalling(pause, 2 * pause);
    let stalled = judged(&server, |_| {});
    assert_eq!(stalled.0, Some(1), "{}", stalled.1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_rate_that_was_missed_while_the_program_was_stopped_is_not_the_services_fault() {
    let pause = Duration::from_millis(2_500);
    let server = MisbehavingServer::always(Reply::ok("ok"));
    let stopped = judged(&server, |program| suspend(program, &server, pause));
    assert_eq!(stopped.0, Some(5), "{}", stopped.1);
    assert!(stopped.1.contains("the load generator was stopped or got no CPU time for"), "{}", stopped.1);
    // The same stall of the service. The p95 violates its limit, but the missed rate comes first.
    let server = MisbehavingServer::stalling(Duration::from_millis(600), Duration::from_millis(600) + pause);
    let stalled = judged(&server, |_| {});
    assert_eq!(stalled.0, Some(5), "{}", stalled.1);
    assert!(stalled.1.contains("too few connections, or the service cannot keep up"), "{}", stalled.1);
}
