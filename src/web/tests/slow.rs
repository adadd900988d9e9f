//! Clients that take nothing of what they asked for.

use std::sync::mpsc;

use tokio::net::TcpSocket;

use super::*;
use crate::web::site::ANSWERS;

/// Time does not pass until this is dropped: it does not go on by itself while a thread works.
fn stopped_clock() -> mpsc::Sender<()> {
    let (until, dropped) = mpsc::channel();
    tokio::task::spawn_blocking(move || dropped.recv());
    until
}

impl Served {
    /// A client whose machine keeps next to nothing for it.
    async fn connect_slow(&self) -> TcpStream {
        let ListenAddress::Tcp(address) = self.server.address() else {
            panic!("listens at a port");
        };
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(*address).await.unwrap()
    }
}

/// Clients that take nothing of a large answer keep their places; the others wait, and are
/// told; health is told to everybody.
#[tokio::test(start_paused = true)]
async fn slow_readers_are_bounded_and_health_is_not_theirs() {
    // However slow the machine is, nobody's patience ends.
    let _stopped = stopped_clock();
    let served = serve(None).await;
    let large = Status {
        // More than this machine keeps of a connection, 4 MiB.
        notes: vec!["n".repeat(5 << 20)],
        ..Status::default()
    };
    served.live.status_changed(&large);
    let request = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut slow = Vec::new();
    for _ in 0..ANSWERS {
        let mut stream = served.connect_slow().await;
        stream.write_all(request).await.unwrap();
        let mut first = [0; 16];
        stream.read_exact(&mut first).await.unwrap();
        slow.push(stream);
    }
    let mut waiting = served.connect_slow().await;
    waiting.write_all(request).await.unwrap();
    let mut first = [0; 15];
    let places = served.server.site().answers();
    let waits = async {
        // One is the server's, the others are of those who have a place or wait for one.
        while Arc::strong_count(places) < ANSWERS + 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        read = waiting.read_exact(&mut first) => panic!("{read:?}: {first:?}"),
        () = waits => assert_eq!(places.available_permits(), 0),
    }
    assert_code(&served.ask("GET /healthz", &[], "").await, 200);
    slow.pop();
    waiting.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    // Who waits for too long is told.
    let mut late = served.connect().await;
    late.write_all(request).await.unwrap();
    while Arc::strong_count(places) < ANSWERS + 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(11)).await;
    late.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 503 Se");
}
