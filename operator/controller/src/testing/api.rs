//! An API server in memory: objects by namespace, resource and name, creations, merge patches and deletions.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

type Key = (String, String, String);

/// Namespace of objects that name none.
const NAMESPACE: &str = "poker";

#[derive(Clone, Default)]
pub struct Api(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// By namespace, resource and name.
    objects: BTreeMap<Key, Value>,
    version: u64,
    /// Creations that are carried out and whose answer is lost.
    lose: usize,
    /// Creations of tables are refused with this.
    refuse: Option<String>,
    /// Method, resource and name of every write.
    writes: Vec<(String, String, String)>,
}

impl Api {
    pub fn client(&self) -> Client {
        let api = self.clone();
        let answer = move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap_or_default();
                let (status, value) = api.answer(&head.method, head.uri.path(), &body);
                let body = Body::from(value.to_string().into_bytes());
                Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
            }
        };
        Client::new(tower::service_fn(answer), NAMESPACE)
    }

    pub fn put(&self, resource: &str, object: &impl serde::Serialize) {
        let object = serde_json::to_value(object).unwrap();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(NAMESPACE).to_owned();
        self.0.lock().unwrap().objects.insert((namespace, resource.into(), name), object);
    }

    pub fn get<T: serde::de::DeserializeOwned>(&self, resource: &str, name: &str) -> Option<T> {
        self.get_in(NAMESPACE, resource, name)
    }

    pub fn get_in<T: serde::de::DeserializeOwned>(
        &self,
        namespace: &str,
        resource: &str,
        name: &str,
    ) -> Option<T> {
        let inner = self.0.lock().unwrap();
        let object = inner.objects.get(&(namespace.to_owned(), resource.to_owned(), name.to_owned()))?;
        Some(serde_json::from_value(object.clone()).unwrap())
    }

    pub fn all<T: serde::de::DeserializeOwned>(&self, resource: &str) -> Vec<T> {
        let inner = self.0.lock().unwrap();
        let of = inner.objects.iter().filter(|((_, kind, _), _)| kind == resource);
        of.map(|(_, object)| serde_json::from_value(object.clone()).unwrap()).collect()
    }

    /// The answers to the next creations are lost.
    pub fn lose(&self, creations: usize) {
        self.0.lock().unwrap().lose = creations;
    }

    pub fn refuse(&self, message: Option<&str>) {
        self.0.lock().unwrap().refuse = message.map(str::to_owned);
    }

    pub fn writes(&self, method: &str, resource: &str) -> usize {
        let inner = self.0.lock().unwrap();
        inner.writes.iter().filter(|(m, r, _)| m == method && r == resource).count()
    }

    fn answer(&self, method: &Method, path: &str, body: &Bytes) -> (StatusCode, Value) {
        let mut parts = path.split('/').skip_while(|part| *part != "namespaces").skip(1);
        let namespace = parts.next().unwrap_or_default().to_owned();
        let resource = parts.next().unwrap_or_default().to_owned();
        let name = parts.next().unwrap_or_default().to_owned();
        let part = parts.next();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut inner = self.0.lock().unwrap();
        if method != Method::GET {
            let kind = part.map_or_else(|| resource.clone(), |part| format!("{resource}/{part}"));
            inner.writes.push((method.to_string(), kind, name.clone()));
        }
        if resource == "events" {
            return (StatusCode::CREATED, body);
        }
        inner.version += 1;
        match *method {
            Method::GET if name.is_empty() => {
                let is_of = |(place, kind, _): &Key| *place == namespace && *kind == resource;
                let of = inner.objects.iter().filter(|(key, _)| is_of(key));
                let items: Vec<Value> = of.map(|(_, object)| object.clone()).collect();
                (StatusCode::OK, json!({"metadata": {}, "items": items}))
            }
            Method::GET => match inner.objects.get(&(namespace, resource, name.clone())) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => failure(StatusCode::NOT_FOUND, &name),
            },
            Method::POST => inner.create(&namespace, &resource, body),
            Method::PATCH => inner.patch(&namespace, &resource, &name, &body),
            Method::DELETE => match inner.objects.remove(&(namespace, resource, name.clone())) {
                Some(object) => (StatusCode::OK, object),
                None => failure(StatusCode::NOT_FOUND, &name),
            },
            _ => failure(StatusCode::METHOD_NOT_ALLOWED, &name),
        }
    }
}

impl Inner {
    fn create(&mut self, namespace: &str, resource: &str, mut object: Value) -> (StatusCode, Value) {
        if let Some(message) = self.refuse.as_ref().filter(|_| resource == "pokertables") {
            return failure(StatusCode::FORBIDDEN, message);
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (namespace.to_owned(), resource.to_owned(), name.clone());
        if self.objects.contains_key(&key) {
            return failure(StatusCode::CONFLICT, &format!("{name} already exists"));
        }
        object["metadata"]["uid"] = format!("uid-{}", self.version).into();
        object["metadata"]["generation"] = 1.into();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        object["metadata"]["creationTimestamp"] = k8s_openapi::jiff::Timestamp::now().to_string().into();
        self.objects.insert(key, object.clone());
        if self.lose > 0 {
            self.lose -= 1;
            return failure(StatusCode::GATEWAY_TIMEOUT, "the answer is lost");
        }
        (StatusCode::CREATED, object)
    }

    fn patch(&mut self, namespace: &str, resource: &str, name: &str, patch: &Value) -> (StatusCode, Value) {
        let key = (namespace.to_owned(), resource.to_owned(), name.to_owned());
        // Secrets are written by server-side apply, which creates missing objects.
        if resource == "secrets" && !self.objects.contains_key(&key) {
            return self.create(namespace, resource, patch.clone());
        }
        let Some(object) = self.objects.get_mut(&key) else {
            return failure(StatusCode::NOT_FOUND, name);
        };
        for field in ["uid", "resourceVersion"] {
            let wanted = &patch["metadata"][field];
            if !wanted.is_null() && *wanted != object["metadata"][field] {
                return failure(StatusCode::CONFLICT, field);
            }
        }
        let before = object["spec"].clone();
        merge(object, patch);
        if object["spec"] != before {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
            object["metadata"]["generation"] = (generation + 1).into();
        }
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        (StatusCode::OK, object.clone())
    }
}

/// RFC 7386.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut object[name], value);
        }
    }
}

fn failure(code: StatusCode, message: &str) -> (StatusCode, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message,
        "reason": code.canonical_reason().map(|reason| reason.replace(' ', "")), "code": code.as_u16()});
    (code, status)
}
