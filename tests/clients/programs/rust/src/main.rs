//! `client-programs CLIENT QUESTION...` prints `{"text": what came, "error": how it failed}` for each, a line.

use std::env;
use std::error::Error;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::responses::{OutputItem, ResponseStreamEvent};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn Error>>;

#[derive(Deserialize)]
struct Question {
    url: String,
    model: String,
    prompt: String,
    tools: bool,
}

impl Question {
    fn client(&self) -> Client<OpenAIConfig> {
        Client::with_config(OpenAIConfig::new().with_api_base(format!("{}/v1", self.url)).with_api_key("none"))
    }
}

fn function() -> Value {
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!({"name": "get_weather", "description": "The weather in a city", "parameters": city})
}

fn weather(arguments: &str) -> Result<String, serde_json::Error> {
    let asked: Value = serde_json::from_str(arguments)?;
    Ok(format!("fog at 7 degrees in {}", asked["city"].as_str().unwrap_or("?")))
}

async fn chat(asked: &Question, text: &mut String) -> Outcome {
    let mut messages = vec![json!({"role": "user", "content": asked.prompt})];
    loop {
        let mut body = json!({"model": asked.model, "messages": messages});
        if asked.tools {
            body["tools"] = json!([{"type": "function", "function": function()}]);
        }
        let (mut id, mut name, mut arguments) = (String::new(), String::new(), String::new());
        let mut stream = asked.client().chat().create_stream(serde_json::from_value(body)?).await?;
        while let Some(chunk) = stream.next().await {
            for choice in chunk?.choices {
                text.push_str(&choice.delta.content.unwrap_or_default());
                for part in choice.delta.tool_calls.unwrap_or_default() {
                    let called = part.function.unwrap_or_default();
                    id += &part.id.unwrap_or_default();
                    name += &called.name.unwrap_or_default();
                    arguments += &called.arguments.unwrap_or_default();
                }
            }
        }
        if name.is_empty() {
            return Ok(());
        }
        let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        messages.push(json!({"role": "assistant", "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": weather(&arguments)?}));
    }
}

async fn responses(asked: &Question, text: &mut String) -> Outcome {
    let mut input = vec![json!({"type": "message", "role": "user", "content": asked.prompt})];
    loop {
        let mut body = json!({"model": asked.model, "input": input, "stream": true});
        if asked.tools {
            body["tools"] = json!([function()]);
            body["tools"][0]["type"] = json!("function");
        }
        let mut calls = Vec::new();
        let mut stream = asked.client().responses().create_stream(serde_json::from_value(body)?).await?;
        while let Some(event) = stream.next().await {
            match event? {
                ResponseStreamEvent::ResponseOutputTextDelta(part) => text.push_str(&part.delta),
                ResponseStreamEvent::ResponseOutputItemDone(done) => {
                    if let OutputItem::FunctionCall(call) = done.item {
                        calls.push(call);
                    }
                }
                ResponseStreamEvent::ResponseError(error) => return Err(error.message.into()),
                ResponseStreamEvent::ResponseFailed(failed) => return Err(format!("{:?}", failed.response.error).into()),
                _ => {}
            }
        }
        if calls.is_empty() {
            return Ok(());
        }
        for call in calls {
            let output = weather(&call.arguments)?;
            let id = call.call_id.clone();
            input.push(json!({"type": "function_call", "call_id": id, "name": call.name, "arguments": call.arguments}));
            input.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let client = env::args().nth(1).unwrap_or_default();
    for argument in env::args().skip(2) {
        let asked: Question = serde_json::from_str(&argument)?;
        let mut text = String::new();
        let outcome = match client.as_str() {
            "async-openai-chat" => chat(&asked, &mut text).await,
            _ => responses(&asked, &mut text).await,
        };
        let error = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        println!("{}", json!({"text": text, "error": error}));
    }
    Ok(())
}
