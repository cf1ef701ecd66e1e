//! From where the `reference` command can be reached, and what it logs of who is refused (D-31).

use tokio::net::TcpStream;

use crate::{
    handshakes::UPGRADE,
    http_client::Http,
    process::{command, finish, printed, signal, start_as},
};

const REACHED: &str = "can be reached from other machines, ";

#[tokio::test]
async fn by_default_it_listens_for_its_own_machine_alone() {
    let help = command().arg("--help").spawn().unwrap();
    let help = help.wait_with_output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for (flag, default) in [
        ("--listen <ADDRESS>", "[default: 127.0.0.1:49134]"),
        ("--http <ADDRESS>", "[default: 127.0.0.1:3111]"),
    ] {
        let (_, from_flag) = help.split_once(flag).expect(flag);
        let (its_own, _) = from_flag.split_once("\n      --").unwrap();
        assert!(its_own.contains(default), "{its_own}");
    }
}

#[tokio::test]
async fn it_warns_for_each_port_that_others_can_reach() {
    const HERE: &str = "127.0.0.1:0";
    const ANYWHERE: &str = "0.0.0.0:0";
    let token = ["--token", "tok-3n"];
    for (listen, http, ports) in [
        (HERE, HERE, 0),
        (HERE, "off", 0),
        (ANYWHERE, HERE, 1),
        (ANYWHERE, "off", 1),
        (HERE, ANYWHERE, 1),
        (ANYWHERE, ANYWHERE, 2),
    ] {
        for (token, by) in [
            (&[][..], "by anybody"),
            (&token, "by whoever has the token"),
        ] {
            let arguments = [&["--listen", listen, "--http", http], token].concat();
            let (said, log) = printed(&arguments).await;
            let warned: Vec<&str> = log.lines().filter(|it| it.contains(REACHED)).collect();
            assert_eq!(warned.len(), ports, "{arguments:?}: {log}");
            for line in warned {
                assert!(line.contains("WARN") && line.ends_with(by), "{line}");
                let (address, _) = line.split_once(" can be reached").unwrap();
                let port = address.rsplit_once("0.0.0.0:").unwrap().1;
                assert!(
                    said.contains(&format!("//0.0.0.0:{port}\n")),
                    "{said} {line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn it_warns_also_where_little_is_logged() {
    let (_, log) = printed(&["--listen", "0.0.0.0:0", "--http", "off", "--log", "warn"]).await;
    assert!(log.contains(REACHED) && !log.contains("INFO"), "{log}");
}

#[tokio::test]
async fn what_a_stranger_says_is_logged_without_its_controls_and_not_at_length() {
    let (child, url) = start_as(command()).await;
    let address = url.strip_prefix("ws://").unwrap();
    // The first is the control that ESC and `[` stand for as well.
    let said = format!("\u{9b}2J{}", "x".repeat(30 << 10));
    for headers in [
        format!("Host: {said}\r\n"),
        format!("Host: localhost\r\nOrigin: {said}\r\n"),
    ] {
        let asked = format!("GET / HTTP/1.1\r\n{headers}{UPGRADE}\r\n");
        let mut stranger = Http::over(TcpStream::connect(address).await.unwrap());
        let answer = stranger.ask(asked).await;
        assert_eq!(answer.status, 403);
    }
    signal(&child, "TERM").await;
    let (_, log) = finish(child).await;
    let lines: Vec<&str> = log.lines().filter(|it| it.contains("refused")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    for line in lines {
        assert!(
            line.contains(r"`\u{9b}2Jxxx") && line.contains("xxx…`"),
            "{line}"
        );
        assert!(line.len() < 500, "{} bytes", line.len());
    }
}
