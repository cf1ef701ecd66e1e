//! Who may speak to the engine, on either port (D-22, D-31).

use reference::{Access, Options, Server, Token};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{
        Error,
        client::IntoClientRequest,
        http::{HeaderName, HeaderValue, Response},
    },
};

use crate::http_client::{Http, serve};

async fn server(access: Access) -> Server {
    serve(Options {
        access,
        ..Options::default()
    })
    .await
}

/// The engine's refusal of a worker with this header, if it refuses it.
async fn refusal(server: &Server, name: &str, value: &str) -> Option<Response<Option<Vec<u8>>>> {
    let mut request = server.url().into_client_request().unwrap();
    let name: HeaderName = name.parse().unwrap();
    let value = HeaderValue::from_str(value).unwrap();
    request.headers_mut().insert(name, value);
    match connect_async(request).await {
        Ok(_) => None,
        Err(Error::Http(response)) => Some(*response),
        Err(error) => panic!("{error}"),
    }
}

fn get(headers: &str) -> String {
    format!("GET /nowhere HTTP/1.1\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_page_whose_name_has_come_to_point_here_reaches_neither_port() {
    let access = Access {
        hosts: vec!["engine".to_owned()],
        ..Access::default()
    };
    let server = server(access).await;
    let refused = refusal(&server, "host", "evil.test:49134").await.unwrap();
    assert_eq!(refused.status(), 403);
    let body = String::from_utf8(refused.into_body().unwrap()).unwrap();
    assert!(body.contains("--allow-host"), "{body}");
    for own in ["localhost:1", "127.0.0.1", "[::1]:80", "engine:49134"] {
        assert_eq!(
            refusal(&server, "host", own).await.map(|it| it.status()),
            None
        );
    }
    for (host, status, code) in [
        ("evil.test", 403, "forbidden"),
        ("engine:3111", 404, "route_not_found"),
    ] {
        let mut client = Http::connect(&server).await;
        let answer = client.ask(get(&format!("Host: {host}\r\n"))).await;
        assert_eq!((answer.status, &*answer.code()), (status, code), "{host}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for_on_both_ports() {
    let access = Access {
        token: Some(Token::new("tok-3n")),
        ..Access::default()
    };
    let server = server(access).await;
    let right = refusal(&server, "authorization", "Bearer tok-3n").await;
    assert_eq!(right.map(|it| it.status()), None);
    for wrong in ["Bearer tok-3m", "Basic tok-3n"] {
        let refused = refusal(&server, "authorization", wrong).await.unwrap();
        assert_eq!(refused.status(), 401, "{wrong}");
        assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    }
    for (shown, status, code) in [
        ("", 401, "unauthorized"),
        ("Authorization: Bearer tok-3m\r\n", 401, "unauthorized"),
        ("Authorization: Bearer tok-3n\r\n", 404, "route_not_found"),
    ] {
        let mut client = Http::connect(&server).await;
        let answer = client
            .ask(get(&format!("Host: localhost\r\n{shown}")))
            .await;
        assert_eq!((answer.status, &*answer.code()), (status, code), "{shown}");
        let challenge = if status == 401 { "Bearer" } else { "" };
        assert_eq!(answer.header("www-authenticate"), challenge);
    }
}
