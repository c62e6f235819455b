use super::*;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::time::timeout;

/// Returns the answers in order, then repeats the last one.
struct Script(Mutex<VecDeque<Result<HandedOver, NotAsked>>>);

impl Script {
    fn new(answers: impl IntoIterator<Item = Result<HandedOver, NotAsked>>) -> Self {
        Self(Mutex::new(answers.into_iter().collect()))
    }
}

#[async_trait]
impl Predecessor for Script {
    async fn ask(&self, _: &str, _: &HandOver) -> Result<HandedOver, NotAsked> {
        sleep(Duration::from_millis(10)).await;
        let mut answers = self.0.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    }
}

fn free(free: bool) -> Result<HandedOver, NotAsked> {
    Ok(HandedOver { free, rested_ms: None })
}

fn from(address: &str) -> Order {
    Order { predecessor: Some(address.into()) }
}

fn start(script: Script) -> (Arc<Post>, tokio::task::JoinHandle<Option<Freed>>) {
    let post = Arc::new(Post::default());
    let task = tokio::spawn({
        let post = post.clone();
        async move { until_free(&post, &script, 9).await }
    });
    (post, task)
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_successor_stands_by_until_it_is_ordered() {
    let (post, mut task) = start(Script::new([free(true)]));
    assert!(timeout(HOUR, &mut task).await.is_err());
    assert_eq!(post.now().standing, Standing::StandingBy);
    post.order(from("a:1"));
    assert_eq!(task.await.unwrap(), Some(Freed { address: "a:1".into(), hand_ended: None }));
}

#[tokio::test(start_paused = true)]
async fn a_successor_waits_for_the_end_of_the_hand() {
    let hand = std::iter::repeat_n(free(false), 500);
    let (post, task) = start(Script::new(hand.chain([free(true)])));
    post.order(from("a:1"));
    let begun = Instant::now();
    assert!(task.await.unwrap().is_some());
    assert!(begun.elapsed() >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_predecessor_that_ends_while_it_is_asked_is_taken_over_from_within_two_seconds() {
    let gone = || Err(NotAsked::Unreachable("refused".into()));
    let (post, task) = start(Script::new([free(false), gone()]));
    post.order(from("a:1"));
    let begun = Instant::now();
    assert!(task.await.unwrap().is_some());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_predecessor_of_an_older_release_is_left_to_the_controller() {
    let (post, mut task) = start(Script::new([Err(NotAsked::Refused("404".into()))]));
    post.order(from("a:1"));
    assert!(timeout(HOUR, &mut task).await.is_err());
    assert!(post.now().refused);
    // Drained meanwhile.
    post.order(Order::default());
    assert_eq!(task.await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_second_order_without_predecessor_ends_the_wait_at_once() {
    let (post, mut task) = start(Script::new([free(false)]));
    post.order(from("a:1"));
    assert!(timeout(HOUR, &mut task).await.is_err());
    post.order(Order::default());
    assert_eq!(timeout(Duration::from_millis(1), task).await.unwrap().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_successor_knows_when_the_predecessors_last_hand_ended() {
    let (post, task) = start(Script::new([Ok(HandedOver { free: true, rested_ms: Some(300) })]));
    sleep(Duration::from_secs(1)).await;
    post.order(from("a:1"));
    let ended = task.await.unwrap().unwrap().hand_ended.unwrap();
    assert_eq!(ended.elapsed(), Duration::from_millis(300));
}
