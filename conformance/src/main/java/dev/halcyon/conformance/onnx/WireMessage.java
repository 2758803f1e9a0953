package dev.halcyon.conformance.onnx;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnknownFieldSet;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * A protobuf message whose fields are asked for by number: the few messages of a node test need no
 * generated classes. Repeated scalars may be packed or not.
 *
 * @param fields as the library parsed them
 */
record WireMessage(UnknownFieldSet fields) {
  /** Parses a whole message. */
  static WireMessage parse(ByteString bytes) throws InvalidProtocolBufferException {
    return new WireMessage(UnknownFieldSet.parseFrom(bytes));
  }

  boolean has(int field) {
    return fields.hasField(field);
  }

  /** The messages of a repeated field. */
  List<WireMessage> messages(int field) throws InvalidProtocolBufferException {
    List<WireMessage> all = new ArrayList<>();
    for (ByteString b : fields.getField(field).getLengthDelimitedList()) {
      all.add(parse(b));
    }
    return all;
  }

  /** The last value of a field of bytes, empty if absent. */
  ByteString bytes(int field) {
    List<ByteString> all = fields.getField(field).getLengthDelimitedList();
    return all.isEmpty() ? ByteString.EMPTY : all.getLast();
  }

  String text(int field) {
    return bytes(field).toStringUtf8();
  }

  List<String> texts(int field) {
    return fields.getField(field).getLengthDelimitedList().stream()
        .map(ByteString::toStringUtf8)
        .toList();
  }

  /** The last value of an integer field, 0 if absent. */
  long integer(int field) {
    List<Long> all = fields.getField(field).getVarintList();
    return all.isEmpty() ? 0 : all.getLast();
  }

  /** A repeated integer field. */
  List<Long> integers(int field) throws IOException {
    List<Long> all = new ArrayList<>(fields.getField(field).getVarintList());
    for (ByteString packed : fields.getField(field).getLengthDelimitedList()) {
      CodedInputStream in = packed.newCodedInput();
      while (!in.isAtEnd()) {
        all.add(in.readInt64());
      }
    }
    return all;
  }

  /** A repeated float field. */
  List<Float> floats(int field) throws IOException {
    List<Float> all = new ArrayList<>();
    for (int bits : fields.getField(field).getFixed32List()) {
      all.add(Float.intBitsToFloat(bits));
    }
    for (ByteString packed : fields.getField(field).getLengthDelimitedList()) {
      CodedInputStream in = packed.newCodedInput();
      while (!in.isAtEnd()) {
        all.add(in.readFloat());
      }
    }
    return all;
  }

  /** A repeated double field. */
  List<Double> doubles(int field) throws IOException {
    List<Double> all = new ArrayList<>();
    for (long bits : fields.getField(field).getFixed64List()) {
      all.add(Double.longBitsToDouble(bits));
    }
    for (ByteString packed : fields.getField(field).getLengthDelimitedList()) {
      CodedInputStream in = packed.newCodedInput();
      while (!in.isAtEnd()) {
        all.add(in.readDouble());
      }
    }
    return all;
  }
}
