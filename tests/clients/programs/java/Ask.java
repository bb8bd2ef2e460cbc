// `java -cp 'lib/*' Ask.java CLIENT QUESTION...` prints `{"text": what came, "error": how it failed}` for each, a line.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.anthropic.AnthropicStreamingChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.googleai.GoogleAiGeminiStreamingChatModel;
import dev.langchain4j.model.openai.OpenAiResponsesStreamingChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

class Ask {
    static final ObjectMapper JSON = new ObjectMapper();

    static final ToolSpecification WEATHER = ToolSpecification.builder()
            .name("get_weather")
            .description("The weather in a city")
            .parameters(JsonObjectSchema.builder().addStringProperty("city").required("city").build())
            .build();

    static StreamingChatModel model(String client, String url, String name) {
        return switch (client) {
            case "langchain4j-openai" -> OpenAiStreamingChatModel.builder()
                    .baseUrl(url + "/v1").apiKey("none").modelName(name).build();
            case "langchain4j-responses" -> OpenAiResponsesStreamingChatModel.builder()
                    .baseUrl(url + "/v1").apiKey("none").modelName(name).build();
            case "langchain4j-anthropic" -> AnthropicStreamingChatModel.builder()
                    .baseUrl(url + "/v1").apiKey("none").modelName(name).build();
            case "langchain4j-gemini" -> GoogleAiGeminiStreamingChatModel.builder()
                    .baseUrl(url + "/v1beta").apiKey("none").modelName(name).build();
            default -> throw new IllegalArgumentException(client);
        };
    }

    static ChatResponse turn(StreamingChatModel model, ChatRequest request, StringBuilder text) {
        CompletableFuture<ChatResponse> whole = new CompletableFuture<>();
        model.chat(request, new StreamingChatResponseHandler() {
            @Override
            public void onPartialResponse(String piece) {
                text.append(piece);
            }

            @Override
            public void onCompleteResponse(ChatResponse response) {
                whole.complete(response);
            }

            @Override
            public void onError(Throwable error) {
                whole.completeExceptionally(error);
            }
        });
        return whole.join();
    }

    static void answer(String client, JsonNode asked, StringBuilder text) throws Exception {
        StreamingChatModel model = model(client, asked.get("url").asText(), asked.get("model").asText());
        List<ChatMessage> messages = new ArrayList<>(List.of(UserMessage.from(asked.get("prompt").asText())));
        List<ToolSpecification> tools = asked.get("tools").asBoolean() ? List.of(WEATHER) : List.of();
        List<ToolExecutionRequest> calls;
        do {
            ChatRequest request = ChatRequest.builder().messages(messages).toolSpecifications(tools).build();
            ChatResponse response = turn(model, request, text);
            messages.add(response.aiMessage());
            calls = response.aiMessage().toolExecutionRequests();
            for (ToolExecutionRequest call : calls) {
                String city = JSON.readTree(call.arguments()).get("city").asText();
                messages.add(ToolExecutionResultMessage.from(call, "fog at 7 degrees in " + city));
            }
        } while (!calls.isEmpty());
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String question : List.of(arguments).subList(1, arguments.length)) {
            StringBuilder text = new StringBuilder();
            String error = "";
            try {
                answer(arguments[0], JSON.readTree(question), text);
            } catch (Exception failure) {
                error = failure.toString();
            }
            out.println(JSON.writeValueAsString(Map.of("text", text.toString(), "error", error)));
        }
        System.exit(0);
    }
}
