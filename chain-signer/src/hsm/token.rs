//! One PKCS#11 token: found by label, logged in once, a bounded pool of sessions.

use super::{
    HsmError, KnownKey, PinDigest, Signature, Signer, address_of,
    login::{Due, Event, Login},
    queue::{Full, Queue},
    unwrap_ec_point,
};
use async_trait::async_trait;
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error as Pkcs11Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};
use k256::ecdsa::VerifyingKey;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Signatures at work at once; the token's own threads are fewer.
const SESSIONS_MAX: usize = 8;
/// Signatures that wait for their turn.
const WAITING_MAX: usize = 1_024;
/// A signature takes about a millisecond; a token that needs this long is stuck.
const SIGN_TIMEOUT_MS: u64 = 5_000;
/// DER of the curve's object identifier 1.3.132.0.10 (SEC 2, secp256k1).
const SECP256K1: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];

#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// Path of the PKCS#11 module.
    pub module: PathBuf,
    pub label: String,
    pub pin_file: PathBuf,
    /// Needed only to initialise.
    pub so_pin_file: Option<PathBuf>,
    /// Make the token where none has the label.
    pub init: bool,
}

/// A token with a login that is renewed after an outage.
pub struct Token {
    config: TokenConfig,
    context: Pkcs11,
    access: Mutex<Access>,
    idle: Mutex<Vec<Pooled>>,
    queue: Queue<Job>,
    started: Instant,
}

struct Access {
    login: Login,
    slot: Slot,
    /// Login belongs to the application, not to a session (PKCS#11 v2.40, 5.6): while this one is open,
    /// every session is logged in. `None` while the token is away.
    anchor: Option<Session>,
    /// Rises with every login. A call that fails under an older login says nothing of the present one.
    logins: u64,
}

/// A session, and the login that it was opened under.
struct Pooled {
    session: Session,
    logins: u64,
    /// The private keys found in this session. A stale handle fails to sign, and its session is dropped.
    keys: Vec<(String, ObjectHandle)>,
}

impl Pooled {
    /// The private key with this label: a search in the token costs about a tenth of a signature.
    fn key(&mut self, label: &str) -> Result<ObjectHandle, HsmError> {
        if let Some((_, key)) = self.keys.iter().find(|(known, _)| known == label) {
            return Ok(*key);
        }
        let key = find_object(&self.session, label, ObjectClass::PRIVATE_KEY)?;
        self.keys.push((label.into(), key));
        Ok(key)
    }
}

#[derive(Clone)]
struct Key {
    token: Arc<Token>,
    label: Arc<str>,
    public: Arc<KnownKey>,
    address: [u8; 20],
}

/// The module, loaded.
fn loaded(config: &TokenConfig) -> Result<Pkcs11, HsmError> {
    let module = |source| HsmError::Module { module: config.module.clone(), source };
    let context = Pkcs11::new(&config.module).map_err(module)?;
    started(&context).map_err(module)?;
    Ok(context)
}

fn started(context: &Pkcs11) -> Result<(), Pkcs11Error> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A digest to sign, and where the signature goes.
struct Job {
    key: Key,
    digest: [u8; 32],
    answer: oneshot::Sender<Result<Signature, HsmError>>,
}

fn failed(doing: &'static str) -> impl FnOnce(Pkcs11Error) -> HsmError {
    move |source| HsmError::Pkcs11 { doing, source }
}

fn read_pin_text(file: &Path) -> Result<Zeroizing<String>, HsmError> {
    let text = std::fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(|source| HsmError::PinFile { file: file.into(), source })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn read_pin(file: &Path) -> Result<AuthPin, HsmError> {
    Ok(AuthPin::from(read_pin_text(file)?.as_str().to_owned()))
}

/// Returns a digest that tells whether the PIN in a file has changed.
///
/// # Errors
/// [`HsmError::PinFile`] where the file cannot be read.
pub fn pin_digest(file: &Path) -> Result<PinDigest, HsmError> {
    Ok(PinDigest::of(&read_pin_text(file)?))
}

impl Token {
    /// Loads the module, finds (or with `init` makes) the token and logs in.
    ///
    /// # Errors
    /// Whatever is missing is named: module, token, PIN file, right PIN.
    pub fn open(config: TokenConfig) -> Result<Arc<Self>, HsmError> {
        let context = loaded(&config)?;
        let slot = match find_slot(&context, &config.label)? {
            Some(slot) => slot,
            None if config.init => init_token(&context, &config)?,
            None => return Err(HsmError::NoToken(config.label)),
        };
        let anchor = login(&context, slot, &config)?;
        Ok(Arc::new(Self {
            config,
            context,
            access: Mutex::new(Access { login: Login::Open, slot, anchor: Some(anchor), logins: 0 }),
            idle: Mutex::new(Vec::new()),
            queue: Queue::new(SESSIONS_MAX, WAITING_MAX),
            started: Instant::now(),
        }))
    }

    /// Whether a token with this label exists. No PIN is used.
    ///
    /// # Errors
    /// Where the module cannot be loaded, or its slots cannot be read.
    pub fn is_there(config: &TokenConfig) -> Result<bool, HsmError> {
        Ok(find_slot(&loaded(config)?, &config.label)?.is_some())
    }

    /// The signer for a key.
    pub fn signer(self: &Arc<Self>, label: &str) -> Result<Arc<dyn Signer>, HsmError> {
        let pooled = self.session()?;
        let public = public_key(&pooled.session, label)?;
        self.give_back(pooled);
        Ok(Arc::new(Key {
            token: Arc::clone(self),
            label: label.into(),
            address: address_of(&public),
            public: Arc::new(KnownKey::new(&public)),
        }))
    }

    /// Makes the key pair inside the token unless it is there; true if it was made.
    pub fn ensure_key(&self, label: &str) -> Result<bool, HsmError> {
        let session = self.context.open_rw_session(self.access().slot).map_err(failed("open session"))?;
        match public_key(&session, label) {
            Ok(_) => return Ok(false),
            Err(HsmError::NoKey(_)) => {}
            Err(error) => return Err(error),
        }
        let name = label.as_bytes().to_vec();
        let public = [
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Verify(true),
            Attribute::EcParams(SECP256K1.to_vec()),
            Attribute::Label(name.clone()),
            Attribute::Id(name.clone()),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Label(name.clone()),
            Attribute::Id(name),
        ];
        session
            .generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)
            .map_err(failed("generate key pair"))?;
        Ok(true)
    }

    fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> Result<Pooled, HsmError> {
        if let Some(pooled) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(pooled);
        }
        let (slot, logins) = {
            let access = self.access();
            (access.slot, access.logins)
        };
        let session = self.context.open_ro_session(slot).map_err(failed("open session"))?;
        Ok(Pooled { session, logins, keys: Vec::new() })
    }

    fn give_back(&self, pooled: Pooled) {
        let logins = self.access().logins;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < SESSIONS_MAX && pooled.logins == logins {
            idle.push(pooled);
        }
    }

    fn sign(&self, label: &str, digest: &[u8; 32]) -> Result<Vec<u8>, HsmError> {
        let logins = self.ensure_login()?;
        match self.sign_once(label, digest) {
            Err(error) if is_lost(&error) => {
                tracing::warn!(%error, "the token was lost, logging in again");
                self.lost(logins);
                self.ensure_login()?;
                self.sign_once(label, digest)
            }
            answer => answer,
        }
    }

    fn sign_once(&self, label: &str, digest: &[u8; 32]) -> Result<Vec<u8>, HsmError> {
        let mut pooled = self.session()?;
        let key = pooled.key(label)?;
        let raw = pooled.session.sign(&Mechanism::Ecdsa, key, digest).map_err(failed("sign"))?;
        // Only a session that works goes back to the pool.
        self.give_back(pooled);
        Ok(raw)
    }

    /// Records that a call under this login failed as without a token or login.
    fn lost(&self, logins: u64) {
        let now = self.started.elapsed();
        let mut access = self.access();
        // Another call may have logged in again meanwhile.
        if access.logins == logins {
            access.login = access.login.next(Event::Lost { now });
        }
    }

    /// Logs in again if that is due; returns the number of the current login. Concurrent calls wait for one attempt.
    fn ensure_login(&self) -> Result<u64, HsmError> {
        let mut access = self.access();
        if access.login == Login::Open {
            return Ok(access.logins);
        }
        let pin = pin_digest(&self.config.pin_file)?;
        let label = || self.config.label.clone();
        match access.login.due(self.started.elapsed(), pin) {
            Due::Nothing => return Ok(access.logins),
            Due::Wait(retry_in) => return Err(HsmError::Away { label: label(), retry_in }),
            Due::NewPin => return Err(HsmError::WrongPin(label())),
            Due::LogIn => {}
        }
        let answer = self.log_in_again(&mut access);
        let event = match &answer {
            Ok(()) => Event::LoggedIn,
            Err(HsmError::WrongPin(_)) => Event::PinRefused { pin },
            Err(_) => Event::LoginFailed { now: self.started.elapsed() },
        };
        access.login = access.login.next(event);
        answer?;
        access.logins += 1;
        tracing::info!(label = self.config.label, "logged in to the token again");
        Ok(access.logins)
    }

    fn log_in_again(&self, access: &mut Access) -> Result<(), HsmError> {
        // A login survives an outage of the token, but without its keys: it has to be ended first.
        if let Some(anchor) = access.anchor.take() {
            drop(anchor.logout());
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // A module that lost its own state has to be started again; one that has not says that it runs.
        started(&self.context).map_err(failed("initialise the module"))?;
        // A token that was plugged in again may be in another slot.
        let found = find_slot(&self.context, &self.config.label)?;
        access.slot = found.ok_or_else(|| HsmError::NoToken(self.config.label.clone()))?;
        access.anchor = Some(login(&self.context, access.slot, &self.config)?);
        Ok(())
    }
}

/// Whether a call failed as it does when the token, the module or the login is gone. A key that was there when the token was
/// opened is invisible without a login, so a missing key counts as well. Modules say a lost connection in codes of their own
/// too, so all count but those about the request itself, which every token would refuse.
fn is_lost(error: &HsmError) -> bool {
    let rv = match error {
        HsmError::NoKey(_) => return true,
        HsmError::Pkcs11 { source: Pkcs11Error::Pkcs11(rv, _), .. } => rv,
        _ => return false,
    };
    !matches!(
        rv,
        RvError::ArgumentsBad
            | RvError::DataInvalid
            | RvError::DataLenRange
            | RvError::KeyFunctionNotPermitted
            | RvError::KeyTypeInconsistent
            | RvError::KeySizeRange
            | RvError::MechanismInvalid
            | RvError::MechanismParamInvalid
            | RvError::FunctionNotSupported
    )
}

fn find_slot(context: &Pkcs11, label: &str) -> Result<Option<Slot>, HsmError> {
    for slot in context.get_slots_with_initialized_token().map_err(failed("list slots"))? {
        let info = context.get_token_info(slot).map_err(failed("read token"))?;
        if info.label().trim_end() == label {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}

fn init_token(context: &Pkcs11, config: &TokenConfig) -> Result<Slot, HsmError> {
    let so_file = config.so_pin_file.as_ref().ok_or_else(|| HsmError::NoToken(config.label.clone()))?;
    let so_pin = read_pin(so_file)?;
    let pin = read_pin(&config.pin_file)?;
    let mut free = None;
    for slot in context.get_slots_with_token().map_err(failed("list slots"))? {
        let info = context.get_token_info(slot).map_err(failed("read token"))?;
        if !info.token_initialized() {
            free = Some(slot);
            break;
        }
    }
    let slot = free.ok_or(HsmError::NoFreeSlot)?;
    context.init_token(slot, &so_pin, &config.label).map_err(failed("initialise token"))?;
    // SoftHSM gives the new token another slot id.
    let slot = find_slot(context, &config.label)?.ok_or_else(|| HsmError::NoToken(config.label.clone()))?;
    let session = context.open_rw_session(slot).map_err(failed("open session"))?;
    session.login(UserType::So, Some(&so_pin)).map_err(failed("log in as security officer"))?;
    session.init_pin(&pin).map_err(failed("set the user's PIN"))?;
    session.logout().map_err(failed("log out"))?;
    Ok(slot)
}

fn login(context: &Pkcs11, slot: Slot, config: &TokenConfig) -> Result<Session, HsmError> {
    let pin = read_pin(&config.pin_file)?;
    let session = context.open_ro_session(slot).map_err(failed("open session"))?;
    match session.login(UserType::User, Some(&pin)) {
        Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(Pkcs11Error::Pkcs11(
            RvError::PinIncorrect | RvError::PinLocked | RvError::PinInvalid | RvError::PinLenRange,
            _,
        )) => Err(HsmError::WrongPin(config.label.clone())),
        Err(source) => Err(HsmError::Pkcs11 { doing: "log in", source }),
    }
}

fn find_object(session: &Session, label: &str, class: ObjectClass) -> Result<ObjectHandle, HsmError> {
    let template = [
        Attribute::Class(class),
        Attribute::KeyType(KeyType::EC),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    let found = session.find_objects(&template).map_err(failed("find key"))?;
    match found.as_slice() {
        [] => Err(HsmError::NoKey(label.into())),
        [one] => Ok(*one),
        _ => Err(HsmError::BadKey { label: label.into(), reason: "more than one with this label" }),
    }
}

/// The public key, after checking that the private key can neither be read nor exported.
fn public_key(session: &Session, label: &str) -> Result<VerifyingKey, HsmError> {
    let bad = |reason| HsmError::BadKey { label: label.into(), reason };
    let private = find_object(session, label, ObjectClass::PRIVATE_KEY)?;
    let wanted = [AttributeType::Sensitive, AttributeType::Extractable];
    let attributes = session.get_attributes(private, &wanted).map_err(failed("read key"))?;
    if !attributes.contains(&Attribute::Sensitive(true))
        || !attributes.contains(&Attribute::Extractable(false))
    {
        return Err(bad("the private key is extractable or not sensitive"));
    }
    let public = find_object(session, label, ObjectClass::PUBLIC_KEY)?;
    let attributes = session.get_attributes(public, &[AttributeType::EcPoint]).map_err(failed("read key"))?;
    let Some(Attribute::EcPoint(point)) = attributes.first() else {
        return Err(bad("has no EC point"));
    };
    let point = unwrap_ec_point(point).ok_or_else(|| bad("the EC point is not an uncompressed one"))?;
    VerifyingKey::from_sec1_bytes(point).map_err(|_| bad("the EC point is not on secp256k1"))
}

#[async_trait]
impl Signer for Key {
    fn address(&self) -> [u8; 20] {
        self.address
    }

    async fn sign(&self, digest: [u8; 32]) -> Result<Signature, HsmError> {
        let (answer, answered) = oneshot::channel();
        let queue = &self.token.queue;
        match queue.push(Job { key: self.clone(), digest, answer }) {
            Ok(true) => work(Arc::clone(&self.token)),
            Ok(false) => {}
            Err(Full) => return Err(HsmError::Busy),
        }
        match tokio::time::timeout(Duration::from_millis(SIGN_TIMEOUT_MS), answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(HsmError::BadSignature),
            Err(_) => Err(HsmError::Stalled(SIGN_TIMEOUT_MS)),
        }
    }
}

/// Signs queued digests in a thread that may block. A stuck call of the token keeps its place, so the number of threads
/// stays bounded.
fn work(token: Arc<Token>) {
    tokio::task::spawn_blocking(move || {
        let mut worker = token.queue.worker();
        while let Some((job, more)) = worker.next() {
            if more {
                work(Arc::clone(&token));
            }
            let Job { key, digest, answer } = job;
            // Whoever waited too long is gone.
            if answer.is_closed() {
                continue;
            }
            let signed = token.sign(&key.label, &digest);
            // Nobody may wait any more.
            let _ = answer.send(signed.and_then(|raw| key.public.to_ethereum(&raw, &digest)));
        }
    });
}
