//! Real processes, because the corners are theirs.

use super::*;

#[tokio::test]
async fn words_reach_the_program_as_they_are() {
    let hostile = "a b; $(touch /nope) '\"*\n";
    let output = Program::new("printf").args(["%s", hostile]).run().await;
    assert_eq!(output.unwrap().stdout, hostile.as_bytes());
}

#[tokio::test]
async fn reads_and_writes_more_than_a_pipe_holds_at_once() {
    let input = vec![7_u8; 3 << 20];
    let output = Program::new("cat")
        .stdin(input.clone())
        .stdout_limit(4 << 20)
        .run()
        .await
        .unwrap();
    assert!(output.stdout == input);
}

#[tokio::test]
async fn a_program_that_wants_no_input_is_no_error() {
    let output = Program::new("sh")
        .args(["-c", "exec <&-; exit 3"])
        .stdin(vec![0; 1 << 20])
        .run()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
}

#[tokio::test]
async fn too_much_output_is_refused_and_not_cut() {
    let error = Program::new("yes").stdout_limit(1000).run().await;
    assert!(matches!(
        error,
        Err(ProgramError::TooMuchOutput { limit: 1000, .. })
    ));
}

#[tokio::test]
async fn standing_still_is_told_from_taking_long() {
    let limit = Duration::from_millis(80);
    let still = Program::new("sh")
        .args(["-c", "echo working >&2; sleep 60"])
        .idle(limit)
        .run()
        .await;
    let Err(error @ ProgramError::Idle { .. }) = still else {
        panic!("{still:?}")
    };
    assert_eq!(error.stderr(), "working");
    let busy = Program::new("yes").idle(limit).total(limit * 2);
    let busy = busy.stream(|_| ()).await;
    assert!(matches!(busy, Err(ProgramError::Total { .. })), "{busy:?}");
}

#[tokio::test]
async fn the_whole_group_dies_with_the_future() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = "sleep 300 & echo $! >\"$1\"; echo ready; wait";
    let (ready, mut is_ready) = mpsc::unbounded_channel();
    let run = Program::new("sh")
        .args(["-c", script, "sh"])
        .arg(file.path())
        .stream(move |_| ready.send(()).unwrap());
    tokio::select! {
        output = run => panic!("{output:?}"),
        _ = is_ready.recv() => (),
    }
    let pid = std::fs::read_to_string(file.path()).unwrap();
    let alive = || match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
        // A zombie waits for whoever adopted it and does nothing any more.
        Ok(stat) => !stat.contains(") Z"),
        Err(_) => false,
    };
    let patience = std::time::Instant::now();
    while alive() {
        assert!(patience.elapsed() < Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_helper_that_keeps_the_pipe_open_does_not_hold_the_answer_up() {
    let started = std::time::Instant::now();
    let output = Program::new("sh")
        .args(["-c", "sleep 5 & echo done"])
        .run()
        .await
        .unwrap();
    assert_eq!(output.stdout, b"done\n");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = Program::new("no-such-program").run().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no-such-program is not installed, or not in PATH"
    );
    assert!(!error.is_transient());
    assert!(error.hint().is_some());
}
