//! Credentials reach their provider and nothing else: no document, report, log or dry run.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::trial::{FIRST, Trial, number, template, vector};
use crate::support::authority::Authority;
use crate::support::cli_case::CliOutput;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// Runs with full logging, and fails if one of these secrets occurs in any output.
#[track_caller]
fn expect_kept(trial: &Trial, secrets: &[&str], change: impl Fn(&mut Command)) -> CliOutput {
    let run = |more: &[&str]| {
        let mut command = trial.command(more);
        change(&mut command);
        CliOutput::run(&mut command, &trial.cli.path(""))
    };
    let (dry, output) = (run(&["--dry"]), run(&["-l", "trace", "--record", "recording"]));
    output.exits(0);
    assert_eq!(dry.code, Some(0), "{dry:#?}");
    let mut texts = vec![("dry run", dry.stdout + &dry.stderr), ("document", trial.cli.read("experiment.yaml"))];
    texts.push(("output", format!("{}{}", output.stdout, output.stderr)));
    for format in ["text", "html", "json"] {
        texts.push((format, trial.cli.run(["report", "-o", format]).stdout));
    }
    texts.push(("assert", trial.cli.run(["assert", "-c", "slos,nofailure"]).stdout));
    for entry in std::fs::read_dir(trial.cli.path("recording/loop-1")).unwrap() {
        let path = entry.unwrap().path();
        texts.push(("recording", std::fs::read_to_string(&path).unwrap()));
    }
    for (place, text) in texts {
        assert!(!text.is_empty(), "{place}");
        for secret in secrets {
            assert!(!text.contains(secret), "{place} has {secret}:\n{text}");
        }
    }
    output
}

#[test]
fn credentials_are_sent_to_the_provider_only() {
    let basic = format!("Basic {}", STANDARD.encode("me:hunter2 ä"));
    for (ways, expected) in [
        ("basicAuth.username=me,custommetrics.providers.p.basicAuth.passwordFile=secret", basic.as_str()),
        ("basicAuth.username=me,custommetrics.providers.p.basicAuth.passwordEnv=WORD", &basic),
        ("bearerToken.file=token", "Bearer hunter2"),
        ("bearerToken.env=TOKEN", "Bearer hunter2"),
        ("headers.Authorization=ApiKey hunter2", "ApiKey hunter2"),
    ] {
        let server = MisbehavingServer::always(number("1"));
        let trial = Trial::of(&server, &[("m", FIRST)]).set(format!("custommetrics.providers.p.{ways}"));
        // The final newline that editors add is not part of it.
        trial.cli.write("secret", "hunter2 ä\n");
        trial.cli.write("token", "hunter2\r\n");
        expect_kept(&trial, &["hunter2", &basic[6..]], |command| {
            command.env("WORD", "hunter2 ä").env("TOKEN", "hunter2");
        });
        assert_eq!(server.seen()[0].header("authorization"), Some(expected), "{ways}");
        trial.expect_slos(0);
    }
}

#[test]
fn headers_and_variables_come_from_files_and_the_environment() {
    // No name shows that these are secrets, and the query repeats one.
    let text = r#"url: http://ADDRESS/api/v1/query
headers: {X-Account: "{{ .account }}", X-Team: "{{ .team }}"}
metrics:
- {name: m, params: [{name: query, value: "up{account='{{ .account }}'}"}]}
- {name: bad, params: [{name: query, value: "up{account='{{ .account }}'}"}], jqExpression: "[{{ .team }}"}
"#;
    let server = MisbehavingServer::scripted(|request| match request.header("x-own") {
        Some(own) => {
            let warning = json!(format!("PromQL warning: {own}"));
            Reply::ok(&vector(&["1"]).replacen('{', &format!(r#"{{"warnings":[{warning}],"#), 1))
        }
        None => Reply::plain(401, ""),
    });
    let trial = Trial::with_template("p.tpl", &text.replace("ADDRESS", &server.address.to_string()))
        .set("custommetrics.values.account=overridden,custommetrics.valuesFrom.account.file=account")
        .set("custommetrics.valuesFrom.team.env=TEAM,custommetrics.providers.p.headers.X-Own.env=OWN")
        .set("assess.SLOs.upper.p/m=5");
    trial.cli.write("account", "hunter-2\n");
    expect_kept(&trial, &["hunter"], |command| {
        command.env("TEAM", "hunter-3").env("OWN", "{{hunter-4}}");
    });
    let seen = &server.seen()[0];
    let header = |name| seen.header(name);
    assert_eq!(
        (header("x-account"), header("x-team"), header("x-own")),
        (Some("hunter-2"), Some("hunter-3"), Some("{{hunter-4}}"))
    );
    let document = trial.cli.read("experiment.yaml");
    assert!(document.contains("env: TEAM") && document.contains("file: account"), "{document}");
    assert!(document.contains("up{account='[hidden]'}") && document.contains("PromQL warning: [hidden]"), "{document}");
    let defect = trial.outcome().seen(0, "p/bad").to_string();
    assert!(defect.contains("[hidden]"), "{defect}");
    trial.expect_slos(0);
}

#[test]
fn a_source_that_cannot_be_read_is_found_before_the_run() {
    let _transcript = transcript!();
    let server = MisbehavingServer::always(number("1"));
    for way in [
        "valuesFrom.key.env=ITER8_NOT_SET",
        "valuesFrom.key.file=none",
        "valuesFrom.key.secretKeyRef.name=datadog,custommetrics.valuesFrom.key.secretKeyRef.key=api-key",
        "valuesFrom.key.secretKeyRef.name=../x,custommetrics.valuesFrom.key.secretKeyRef.key=api-key",
        "valuesFrom.key=hunter2",
        "valuesFrom.startingTime.env=TIME",
        "valuesFrom.key.env=PATH,custommetrics.versionValues[0].key=a",
        "providers.p.headers.X-Key.env=ITER8_NOT_SET",
        "providers.p.headers.X-Key.value=hunter2",
        "providers.p.headers.X-Key.secretKeyRef=hunter2",
    ] {
        let trial = Trial::of(&server, &[("m", FIRST)]).set(format!("custommetrics.{way}"));
        let output = trial.run();
        output.snapshot(2);
        assert!(!output.stderr.contains("hunter"), "{output:#?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn token_files_are_reread_in_each_loop() {
    let server = MisbehavingServer::always(number("1"));
    let trial = Trial::of(&server, &[("m", FIRST)]).set("custommetrics.providers.p.bearerToken.file=token");
    for (turn, token) in ["first", "second"].into_iter().enumerate() {
        trial.cli.write("token", token);
        trial.run_with(if turn == 0 { &[] } else { &["--reuseResult"] }).exits(0);
        assert_eq!(server.seen()[turn].header("authorization"), Some(format!("Bearer {token}").as_str()));
    }
}

#[test]
fn a_missing_credential_is_found_before_the_run() {
    let _transcript = transcript!();
    let server = MisbehavingServer::always(number("1"));
    for way in [
        "bearerToken.file=none",
        "bearerToken.file=empty",
        "bearerToken.file=lines",
        "bearerToken.env=ITER8_NOT_SET",
        "bearerToken=hunter2",
        "basicAuth=hunter2",
        "basicAuth.password=hunter2",
        "ca=none.pem",
        "ca=lines",
        "cert=lines",
        "cert=lines,custommetrics.providers.p.key=encrypted.key",
        "cert=lines,custommetrics.providers.p.key=encrypted.key,custommetrics.providers.p.keyPassphrase=hunter2",
        "cert=lines,custommetrics.providers.p.key=encrypted.key,custommetrics.providers.p.keyPassphrase.file=wrong",
        "cert=lines,custommetrics.providers.p.key=3des.key,custommetrics.providers.p.keyPassphrase.file=wrong",
    ] {
        let trial = Trial::of(&server, &[("m", FIRST)]).set(format!("custommetrics.providers.p.{way}"));
        trial.cli.write("empty", "\n");
        trial.cli.write("lines", "hunter2\nhunter3\n");
        trial.cli.write("wrong", "hunter3\n");
        trial.cli.write("encrypted.key", include_str!("../../../testdata/tls/encrypted.key"));
        trial.cli.write("3des.key", include_str!("../../../testdata/tls/encrypted-3des.key"));
        let output = trial.run();
        output.snapshot(2);
        assert!(!output.stderr.contains("hunter"), "{output:#?}");
        assert!(!trial.cli.path("experiment.yaml").exists());
    }
    assert_eq!(server.connections(), 0);
}

/// A template with secrets wherever a template can have them.
const SECRETIVE: &str = r#"url: {{ .url }}api/v1/query
method: POST
headers:
  Authorization: Bearer {{ .token }}
  X-Api-Key: {{ .apiKey }}
  Cookie: session={{ .session_token }}
metrics:
- name: m
  params:
  - {name: query, value: up}
  - {name: api_key, value: "{{ .apiKey }}"}
  - {name: auth_token, value: "{{ .token }}"}
- name: body
  body: '{"password": "{{ .password }}", "query": "up"}'
  jqExpression: .data.result[0].value[1] | tonumber
"#;

const SECRETS: &[&str] = &["hunter2", "hunter3", "hunter4", "hunter5", "hunter6", "hunter7"];

fn secretive(server: &MisbehavingServer) -> Trial {
    Trial::with_template("p.tpl", SECRETIVE)
        .set(format!("custommetrics.values.url=http://me:hunter2@{}/", server.address))
        .set("custommetrics.values.token=hunter3,custommetrics.values.apiKey=hunter4")
        .set("custommetrics.values.session_token=hunter5,custommetrics.values.password=hunter6")
        .set("custommetrics.providers.p.headers.X-Auth-Token=hunter7")
        .set("assess.SLOs.upper.p/m=5,assess.SLOs.upper.p/body=5")
}

#[test]
fn secrets_are_never_written() {
    let server = MisbehavingServer::always(number("1"));
    let trial = secretive(&server);
    let output = expect_kept(&trial, SECRETS, |_| {});
    output.expect(0, &["/api/v1/query: ", ": status 200, attempt 1: has a value\n"]);
    let received = server.received();
    for secret in &SECRETS[1..] {
        assert!(received.contains(secret), "{secret} was not sent");
    }
    assert!(received.contains("x-auth-token: hunter7"));
    let outcome = trial.outcome();
    assert_eq!((outcome.value(0, "p/m"), outcome.value(0, "p/body")), (Some(1.0), Some(1.0)));
    assert!(outcome.seen(0, "p/m")["source"].as_str().unwrap().contains("/api/v1/query"));
    trial.expect_slos(0);
}

/// A template with secrets in variables whose names do not show it.
const DISGUISED: &str = r#"url: http://ADDRESS/api/v1/query
headers: {X-Api-Key: "{{ .mine }}", Accept: "{{ .accept }}"}
metrics:
- name: m
  params: [{name: query, value: up}, {name: api_key, value: "{{ .labels.yours }}"}]
"#;

fn disguised(trial: Trial) -> Trial {
    trial
        .set("custommetrics.values.mine=hunter-2,custommetrics.values.labels.yours=hunter-3")
        .set("custommetrics.values.accept=text/plain,custommetrics.values.copy=a hunter-2 b")
        .set("assess.SLOs.upper.p/m=5")
}

#[test]
fn secrets_are_redacted_whatever_their_variables_are_called() {
    let server = MisbehavingServer::always(number("1"));
    let text = DISGUISED.replace("ADDRESS", &server.address.to_string());
    let trial = disguised(Trial::with_template("p.tpl", &text));
    expect_kept(&trial, &["hunter"], |_| {});
    assert!(server.received().contains("hunter-2") && server.received().contains("hunter-3"));
    let document = trial.cli.read("experiment.yaml");
    assert!(document.contains("accept: text/plain") && document.contains("copy: a [hidden] b"), "{document}");
    trial.run_with(&["--reuseResult"]).exits(0);
    trial.expect_slos(0);
}

#[test]
fn secrets_in_a_downloaded_template_are_redacted_once_it_is_rendered() {
    let server = MisbehavingServer::scripted(|request| match request.head.contains("/p.tpl") {
        true => Reply::ok(&DISGUISED.replace("ADDRESS", request.header("host").unwrap())),
        false => number("1"),
    });
    let trial = disguised(Trial::bare().set(format!("custommetrics.templates.p={}p.tpl", server.url())));
    let output = trial.run();
    output.exits(0);
    let report = trial.cli.run(["report", "-o", "json"]).stdout;
    for text in [&trial.cli.read("experiment.yaml"), &report, &output.stderr] {
        assert!(!text.contains("hunter"), "{text}");
    }
    trial.run_with(&["--reuseResult"]).exits(0);
}

#[test]
fn secrets_echoed_by_a_provider_are_redacted() {
    // As debugging proxies do: in an error's message, a page, a warning, a value.
    let replies: [fn(&str) -> Reply; 6] = [
        |sent| Reply::plain(401, &json!({"message": sent}).to_string()),
        |sent| Reply::plain(500, sent),
        |sent| Reply::ok(&json!({"status": "error", "errorType": "bad_data", "error": sent}).to_string()),
        |sent| Reply::ok(&vector(&["x"]).replace(r#""x""#, &json!(sent).to_string())),
        |sent| Reply::ok(&vector(&["1"]).replacen('{', &format!(r#"{{"warnings":[{}],"#, json!(sent)), 1)),
        |sent| Reply::ok(sent),
    ];
    for reply in replies {
        let server = MisbehavingServer::scripted(move |request| reply(&format!("{}\n{}", request.head, request.body)));
        let trial = secretive(&server).set("custommetrics.providers.p.retries=0");
        let output = trial.run_with(&["-l", "trace"]);
        let text = format!("{}{}{}", trial.cli.read("experiment.yaml"), output.stdout, output.stderr);
        assert!(output.code == Some(0) && text.contains("[hidden]"), "{output:#?}");
        assert!(!text.contains("hunter"), "{text}");
    }
    // Secrets from files are redacted, too.
    let server = MisbehavingServer::responds(401, "the token hunter2 is not known");
    let trial = Trial::of(&server, &[("m", FIRST)]).set("custommetrics.providers.p.bearerToken.file=token");
    trial.cli.write("token", "hunter2");
    expect_kept(&trial, &["hunter2"], |_| {});
    trial.outcome().expect_no_value(0, "p/m", "401 (unauthorized): ");
}

#[test]
fn a_client_certificate_is_sent_to_a_trusted_server() {
    let _transcript = transcript!();
    let (authority, clients, other) = (Authority::new(), Authority::new(), Authority::new());
    let server = MisbehavingServer::secure(authority.server(Some(&clients)), |_| number("1"));
    let url = format!("https://{}/", server.address);
    let trial = Trial::with_template("p.tpl", &template(&url, &[("m", FIRST)]))
        .set("assess.SLOs.upper.p/m=5,custommetrics.providers.p.ca=ca.pem")
        .set("custommetrics.providers.p.cert=cert.pem,custommetrics.providers.p.key=key.pem");
    let show = |authority: &Authority| {
        let (certificate, key) = authority.issue();
        trial.cli.write("cert.pem", &certificate.pem());
        let key = key.serialize_pem();
        trial.cli.write("key.pem", &key);
        key
    };
    trial.cli.write("ca.pem", &authority.pem);
    let key = show(&clients);
    let line = key.lines().nth(1).unwrap();
    expect_kept(&trial, &[line], |_| {});
    assert_eq!(trial.outcome().value(0, "p/m"), Some(1.0));
    trial.expect_slos(0);
    show(&other);
    trial.run().snapshot(0);
    trial.expect_slos(1);
    // With an encrypted key.
    let (certificate, encrypted) = clients.issue_encrypted();
    trial.cli.write("cert.pem", &certificate.pem());
    trial.cli.write("key.pem", encrypted);
    trial.cli.write("passphrase", "hunter2\n");
    let trial = trial.set("custommetrics.providers.p.keyPassphrase.file=passphrase");
    std::fs::remove_dir_all(trial.cli.path("recording")).unwrap();
    expect_kept(&trial, &["hunter2"], |_| {});
    trial.expect_slos(0);
    // Without a certificate, and without trust.
    let bare = |more: &str| {
        let trial =
            Trial::with_template("p.tpl", &template(&url, &[("m", FIRST)])).set("assess.SLOs.upper.p/m=5").set(more);
        trial.cli.write("ca.pem", &authority.pem);
        trial.run().snapshot(0);
        trial.expect_slos(1);
    };
    bare("custommetrics.providers.p.ca=ca.pem");
    bare("custommetrics.providers.p.retries=1");
}
