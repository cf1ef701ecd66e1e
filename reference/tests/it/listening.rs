//! From where the `reference` command can be reached (D-31).

use crate::process::{command, printed};

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
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains(REACHED), "{log}");
}
