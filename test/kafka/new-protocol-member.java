import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a consumer group by the newer protocol, which kafkajs does not have, until a line comes on standard input. */
public class NewProtocolMember {
  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    settings.put("group.id", args[1]);
    settings.put("group.protocol", "consumer");
    settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
    settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
      consumer.subscribe(List.of(args[2]));
      while (consumer.groupMetadata().generationId() < 1) consumer.poll(Duration.ofMillis(100));
      System.out.println("joined");
      while (System.in.available() == 0) consumer.poll(Duration.ofMillis(100));
    }
  }
}
